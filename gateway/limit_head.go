package gateway

import (
	"bytes"
	"fmt"
	"net/http"

	"gatehouse/gateway/strict"
)

// maxRequestLine bounds the first line of a request in bytes, as Apache's
// LimitRequestLine does. Registry clients stay far below it; a line that does not is an
// attack on memory.
const maxRequestLine = 8190

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
	return &problem{status: http.StatusRequestHeaderFieldsTooLarge, code: codeTooLarge, fault: "request.too_large", message: message}
}

func lineTooLong() *problem {
	return &problem{status: http.StatusRequestURITooLong, code: codeTooLarge, fault: "request.too_large", message: "the request line is longer than 8190 bytes"}
}

// readTarget reads the target of a request, whichever way it came.
func readTarget(raw string) (strict.Target, *problem) {
	if len(raw) > maxRequestLine {
		return strict.Target{}, lineTooLong()
	}
	target, err := strict.ParseTarget(raw)
	if err != nil {
		return strict.Target{}, badRequest(err.Error())
	}
	return target, nil
}
