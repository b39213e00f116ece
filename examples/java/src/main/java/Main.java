import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Talks to Unigate with Java's own HttpClient, left as it comes, and Jackson. */
public final class Main {
    private static final ObjectMapper JSON = new ObjectMapper();

    // As it comes, this client offers to upgrade each plain connection to HTTP/2.
    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    private final String baseUrl = setting("OPENAI_BASE_URL", "http://localhost:8000").replaceAll("/$", "");
    private final String key = setting("OPENAI_API_KEY", "");
    private final String model = setting("UNIGATE_MODEL", "gpt-3.5-turbo");
    private int count;

    record Message(String role, String content) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    record ChatRequest(
            String model, List<Message> messages, @JsonProperty("max_tokens") Integer maxTokens, Boolean stream) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Choice(Answer message, Answer delta, @JsonProperty("finish_reason") String finishReason) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Answer(String role, String content) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record ChatResponse(List<Choice> choices) {}

    static final class Failed extends RuntimeException {
        Failed(String what) {
            super(what);
        }
    }

    public static void main(String[] arguments) throws Exception {
        try {
            new Main().run();
        } catch (Failed failure) {
            System.err.println("failed: " + failure.getMessage());
            System.exit(1);
        } catch (IOException failure) {
            System.err.println("failed: " + failure);
            System.exit(1);
        }
    }

    private void run() throws Exception {
        System.out.println("Java " + System.getProperty("java.version") + " at " + baseUrl);
        chat();
        stream();
        largeBody();
        models();
        errors();
        System.out.println("ok: " + count + " checks");
    }

    private void chat() throws Exception {
        System.out.println("chat");
        HttpResponse<String> response = post(key, ask("Hello, how are you?", null));
        check(response.statusCode() == 200, "a chat is answered: HTTP " + response.statusCode());
        String text = JSON.readValue(response.body(), ChatResponse.class).choices().get(0).message().content();
        System.out.println("    " + text);
        check(!text.isEmpty(), "an answer has text");
    }

    private void stream() throws Exception {
        System.out.println("stream");
        HttpResponse<Stream<String>> response =
                http.send(request(key, ask("Tell me about Java", true)), HttpResponse.BodyHandlers.ofLines());
        check(response.statusCode() == 200, "a stream is opened: HTTP " + response.statusCode());
        List<String> pieces = new ArrayList<>();
        boolean ended = false;
        try (Stream<String> lines = response.body()) {
            for (String line : (Iterable<String>) lines::iterator) {
                if (line.equals("data: [DONE]")) {
                    ended = true;
                } else if (line.startsWith("data: ")) {
                    ChatResponse chunk = JSON.readValue(line.substring(6), ChatResponse.class);
                    String content = chunk.choices().get(0).delta().content();
                    if (content != null && !content.isEmpty()) {
                        pieces.add(content);
                    }
                }
            }
        }
        System.out.println("    " + String.join("", pieces));
        check(pieces.size() > 1, "the answer came in pieces");
        check(ended, "the end is marked");
    }

    private void largeBody() throws Exception {
        System.out.println("large body");
        String essay = "All work and no play makes Jack a dull boy. ".repeat(8_000);
        for (int turn = 1; turn <= 2; turn++) {
            HttpResponse<String> response = post(key, ask(essay, null));
            check(response.statusCode() == 200, "a body of " + essay.length() / 1000 + " kB arrives whole, call " + turn);
            check(JSON.readTree(response.body()).at("/choices/0/message").isObject(), "it is answered, call " + turn);
        }
    }

    private void models() throws Exception {
        System.out.println("models");
        HttpResponse<String> response = http.send(
                HttpRequest.newBuilder(URI.create(baseUrl + "/models")).header("Authorization", "Bearer " + key).build(),
                HttpResponse.BodyHandlers.ofString());
        JsonNode first = JSON.readTree(response.body()).at("/data/0/id");
        System.out.println("    the first is " + first.asText());
        check(first.isTextual(), "at least one model is listed");
    }

    private void errors() throws Exception {
        System.out.println("errors");
        expect(401, post("sk-wrong", ask("Hello", null)), "a wrong key");
        expect(400, post(key, new ChatRequest(null, List.of(), null, null)), "a request without a model");
    }

    private void expect(int status, HttpResponse<String> response, String what) throws Exception {
        String message = JSON.readTree(response.body()).at("/error/message").asText();
        check(response.statusCode() == status, what + " is HTTP " + response.statusCode() + ": " + message);
    }

    private ChatRequest ask(String text, Boolean stream) {
        return new ChatRequest(model, List.of(new Message("user", text)), 60, stream);
    }

    private HttpResponse<String> post(String bearer, ChatRequest body) throws Exception {
        return http.send(request(bearer, body), HttpResponse.BodyHandlers.ofString());
    }

    private HttpRequest request(String bearer, ChatRequest body) throws Exception {
        return HttpRequest.newBuilder(URI.create(baseUrl + "/chat/completions"))
                .header("Content-Type", "application/json")
                .header("Authorization", "Bearer " + bearer)
                .timeout(Duration.ofSeconds(60))
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build();
    }

    private void check(boolean holds, String what) {
        if (!holds) {
            throw new Failed(what);
        }
        count++;
        System.out.println("  " + what);
    }

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
