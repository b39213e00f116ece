import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** The hand-made Java client of most people: HttpClient as it comes, plain classes for the data. */
public class PlainClient {
    private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(30)).build();
    private final ObjectMapper mapper =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);

    public static class ChatRequest {
        public String model = "gpt-3.5-turbo";
        public Message[] messages;

        @JsonProperty("max_tokens")
        public Integer maxTokens = 150;

        public Double temperature = 0.7;
    }

    public static class Message {
        public String role;
        public String content;

        public Message() {}

        public Message(String role, String content) {
            this.role = role;
            this.content = content;
        }
    }

    public static class ChatResponse {
        public Choice[] choices;
    }

    public static class Choice {
        public Message message;
    }

    public ChatResponse ask(ChatRequest request) throws Exception {
        HttpRequest httpRequest = HttpRequest.newBuilder()
                .uri(URI.create(System.getenv("OPENAI_BASE_URL") + "/chat/completions"))
                .header("Content-Type", "application/json")
                .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
                .POST(HttpRequest.BodyPublishers.ofString(mapper.writeValueAsString(request)))
                .build();
        HttpResponse<String> response = client.send(httpRequest, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new RuntimeException("HTTP error: " + response.statusCode());
        }
        return mapper.readValue(response.body(), ChatResponse.class);
    }

    public static void main(String[] arguments) throws Exception {
        ChatRequest request = new ChatRequest();
        request.messages = new Message[] {new Message("user", "Hello, how are you?")};
        System.out.println("plain: " + new PlainClient().ask(request).choices[0].message.content);
    }
}
