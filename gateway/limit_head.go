package gateway

import (
	"bytes"
	"fmt"
	"net/http"
)

func tooManyFields(limit int) *problem {
	return headTooLarge(fmt.Sprintf("the request has more than %d header fields", limit))
}

func tooLarge(head []byte, limit int) *problem {
	if i := bytes.IndexByte(head, '\n'); i < 0 || i > maxRequestLine {
		return lineTooLong()
	}
	return headTooLarge(fmt.Sprintf("the request head is larger than %d bytes", limit))
}

func headTooLarge(message string) *problem {
	return &problem{status: http.StatusRequestHeaderFieldsTooLarge, code: codeTooLarge, message: message}
}

func lineTooLong() *problem {
	return &problem{status: http.StatusRequestURITooLong, code: codeTooLarge, message: "the request line is longer than 8190 bytes"}
}
