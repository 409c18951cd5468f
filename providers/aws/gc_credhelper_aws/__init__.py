"""AWS for gc-credhelper: credentials in Secrets Manager or Parameter Store, tokens that machines share in DynamoDB."""

__version__ = "0.1.0"
