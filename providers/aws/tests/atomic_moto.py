"""moto's server, with conditional writes that are as atomic as DynamoDB's: moto itself checks first and writes then."""

import sys
import threading
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.server import main

_lock = threading.Lock()
_put_item = DynamoDBBackend.put_item


def put_item(self: DynamoDBBackend, *args: Any, **more: Any) -> Any:
    with _lock:
        return _put_item(self, *args, **more)


if __name__ == "__main__":
    DynamoDBBackend.put_item = put_item  # type: ignore[method-assign]
    main(sys.argv[1:])
