// The Platform API of Genesys Cloud, with a token from gc-credhelper. Java 11 or newer: java Genesys.java

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Genesys {
    private static final String API =
            Objects.requireNonNullElse(System.getenv("GC_CREDHELPER_API_URL"), "https://api.mypurecloud.com");
    // What the helper prints is one line of a checked alphabet; for the answers of the API take a JSON library.
    private static final Pattern TOKEN =
            Pattern.compile("\"access_token\":\"([^\"]+)\".*\"expires_at_epoch\":(\\d+)");
    private static final Pattern USER = Pattern.compile("\"email\": ?\"");
    private static final Pattern NEXT = Pattern.compile("\"nextUri\": ?\"([^\"]+)\"");

    private final HttpClient client = HttpClient.newHttpClient(); // follows no redirects
    private String token; // in memory only
    private Instant expiry = Instant.MIN;

    /** What gc-credhelper prints. What it has to say to people goes to our standard error. */
    private static String helper(String input, String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
        try (var stdin = process.getOutputStream()) {
            stdin.write(input.getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            // it may end without reading
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        int status = process.waitFor();
        if (status != 0) {
            throw new IOException("gc-credhelper " + command[1] + " ended with status " + status);
        }
        return output;
    }

    /** A token that is valid now. {@code refused}: the one that the API just answered with 401, or null. */
    private synchronized String bearer(String refused) throws IOException, InterruptedException {
        if (refused != null && refused.equals(token)) {
            token = null;
            helper(refused + "\n", "gc-credhelper", "reject"); // on standard input: arguments can be seen by others
        }
        if (token == null || !Instant.now().isBefore(expiry)) {
            Matcher found = TOKEN.matcher(helper("", "gc-credhelper", "token", "-o", "json"));
            if (!found.find()) {
                throw new IOException("gc-credhelper printed no token");
            }
            token = found.group(1);
            expiry = Instant.ofEpochSecond(Long.parseLong(found.group(2)));
        }
        return token;
    }

    private HttpResponse<String> send(String value, String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(API + path))
                .timeout(Duration.ofSeconds(30))
                .header("Authorization", "Bearer " + value)
                .build();
        return client.send(request, BodyHandlers.ofString());
    }

    /** The answer to a GET; after a 401 it is asked once more, with another token. */
    public HttpResponse<String> get(String path) throws IOException, InterruptedException {
        String value = bearer(null);
        HttpResponse<String> answer = send(value, path);
        return answer.statusCode() == 401 ? send(bearer(value), path) : answer;
    }

    public static void main(String[] arguments) throws Exception {
        Genesys genesys = new Genesys();
        long users = 0;
        String path = "/api/v2/users?pageSize=20";
        while (path != null) {
            HttpResponse<String> page = genesys.get(path);
            if (page.statusCode() != 200) {
                throw new IOException("the API answered " + page.statusCode());
            }
            users += USER.matcher(page.body()).results().count();
            Matcher next = NEXT.matcher(page.body());
            path = next.find() ? next.group(1) : null;
        }
        System.out.println(users + " users");
    }
}
