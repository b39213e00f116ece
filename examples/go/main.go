// Command client talks to Unigate with Go's own net/http.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type request struct {
	Model     string    `json:"model,omitempty"`
	Messages  []message `json:"messages"`
	MaxTokens int       `json:"max_tokens,omitempty"`
	Stream    bool      `json:"stream,omitempty"`
}

type choice struct {
	Message      message `json:"message"`
	Delta        message `json:"delta"`
	FinishReason string  `json:"finish_reason"`
}

type answer struct {
	Choices []choice `json:"choices"`
	Error   *failure `json:"error"`
}

type failure struct {
	Message string `json:"message"`
}

type client struct {
	baseURL string
	key     string
	http    *http.Client
}

// send returns the answer's open body, or what the gateway had against the request.
func (c *client) send(method, path string, body any) (io.ReadCloser, int, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, 0, err
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(method, c.baseURL+path, content)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, resp.StatusCode, nil
	}
	defer resp.Body.Close()
	var refused answer
	if err := json.NewDecoder(resp.Body).Decode(&refused); err != nil || refused.Error == nil {
		return nil, resp.StatusCode, fmt.Errorf("HTTP %d without a message", resp.StatusCode)
	}
	return nil, resp.StatusCode, fmt.Errorf("HTTP %d: %s", resp.StatusCode, refused.Error.Message)
}

func (c *client) ask(req request) (answer, error) {
	var whole answer
	body, _, err := c.send("POST", "/chat/completions", req)
	if err != nil {
		return whole, err
	}
	defer body.Close()
	return whole, json.NewDecoder(body).Decode(&whole)
}

// stream hands each chunk to take; it is an error when the stream ends before its end.
func (c *client) stream(req request, take func(answer)) error {
	req.Stream = true
	body, _, err := c.send("POST", "/chat/completions", req)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "data: ") {
			continue
		}
		data := strings.TrimPrefix(line, "data: ")
		if data == "[DONE]" {
			return nil
		}
		var chunk answer
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return err
		}
		if chunk.Error != nil {
			return fmt.Errorf("in the stream: %s", chunk.Error.Message)
		}
		take(chunk)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the stream ended before its end")
}

var count int

func check(holds bool, what string) {
	if !holds {
		stop(what)
	}
	count++
	fmt.Println("  " + what)
}

func must(err error) {
	if err != nil {
		stop(err.Error())
	}
}

func stop(why string) {
	fmt.Fprintln(os.Stderr, "failed: "+why)
	os.Exit(1)
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func chat(c *client, model string) {
	fmt.Println("chat")
	whole, err := c.ask(request{Model: model, MaxTokens: 60, Messages: []message{{"user", "Hello, world!"}}})
	must(err)
	check(len(whole.Choices) == 1, "there is one answer")
	fmt.Println("    " + whole.Choices[0].Message.Content)
	check(whole.Choices[0].Message.Content != "", "an answer has text")
}

func stream(c *client, model string) {
	fmt.Println("stream")
	var pieces []string
	finish := ""
	must(c.stream(request{Model: model, MaxTokens: 60, Messages: []message{{"user", "Tell me about Go"}}}, func(chunk answer) {
		if content := chunk.Choices[0].Delta.Content; content != "" {
			pieces = append(pieces, content)
		}
		if reason := chunk.Choices[0].FinishReason; reason != "" {
			finish = reason
		}
	}))
	fmt.Println("    " + strings.Join(pieces, ""))
	check(len(pieces) > 1, "the answer came in pieces, and the end was marked")
	check(finish == "stop" || finish == "length", "the stream says why it ended")
}

func models(c *client) {
	fmt.Println("models")
	body, _, err := c.send("GET", "/models", nil)
	must(err)
	defer body.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	must(json.NewDecoder(body).Decode(&list))
	check(len(list.Data) > 0, "at least one model is listed")
	fmt.Println("    the first is " + list.Data[0].ID)
}

func failures(c *client, model string) {
	fmt.Println("errors")
	stranger := &client{c.baseURL, "sk-wrong", c.http}
	_, status, err := stranger.send("POST", "/chat/completions", request{Model: model, Messages: []message{{"user", "Hello"}}})
	check(status == http.StatusUnauthorized, fmt.Sprintf("a wrong key is %v", err))
	_, status, err = c.send("POST", "/chat/completions", request{Messages: []message{{"user", "Hello"}}})
	check(status == http.StatusBadRequest, fmt.Sprintf("a request without a model is %v", err))
}

func main() {
	c := &client{
		baseURL: strings.TrimRight(setting("OPENAI_BASE_URL", "http://localhost:8000"), "/"),
		key:     os.Getenv("OPENAI_API_KEY"),
		http:    &http.Client{Timeout: 60 * time.Second},
	}
	model := setting("UNIGATE_MODEL", "gpt-3.5-turbo")
	fmt.Printf("%s at %s\n", runtime.Version(), c.baseURL)
	chat(c, model)
	stream(c, model)
	models(c)
	failures(c, model)
	fmt.Printf("ok: %d checks\n", count)
}
