// The hand-made Go client of most people: a whole body read at once, the status not looked at.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

type ChatRequest struct {
	Model       string    `json:"model"`
	Messages    []Message `json:"messages"`
	MaxTokens   int       `json:"max_tokens,omitempty"`
	Temperature float64   `json:"temperature,omitempty"`
}

type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type ChatResponse struct {
	Choices []struct {
		Message Message `json:"message"`
		Delta   Message `json:"delta"`
	} `json:"choices"`
}

func ask(baseURL, key string, request ChatRequest) (*ChatResponse, error) {
	encoded, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	httpRequest, err := http.NewRequest("POST", baseURL+"/chat/completions", bytes.NewBuffer(encoded))
	if err != nil {
		return nil, err
	}
	httpRequest.Header.Set("Content-Type", "application/json")
	httpRequest.Header.Set("Authorization", "Bearer "+key)
	response, err := (&http.Client{}).Do(httpRequest)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer ChatResponse
	return &answer, json.Unmarshal(body, &answer)
}

func main() {
	answer, err := ask(os.Getenv("OPENAI_BASE_URL"), os.Getenv("OPENAI_API_KEY"), ChatRequest{
		Model:       "gpt-3.5-turbo",
		Messages:    []Message{{Role: "user", Content: "Hello, world!"}},
		MaxTokens:   150,
		Temperature: 0.7,
	})
	if err != nil {
		fmt.Printf("Error: %v\n", err)
		return
	}
	if len(answer.Choices) > 0 {
		fmt.Println("plain:", answer.Choices[0].Message.Content)
	}
}
