package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/gateway/strict"
)

// parseHead reads the status line and the fields of head.
func (a *Response) parseHead(head string) error {
	values := make([]string, strings.Count(head, "\n")) // at least as many as fields
	line, rest := strict.CutLine(head)
	status, err := parseStatusLine(line)
	if err != nil {
		return err
	}
	a.Status, a.hangsUp = status, line[7] == '0'
	a.Header = a.conn.header
	clear(a.Header)
	for i := 0; len(rest) > 2; i++ {
		line, rest = strict.CutLine(rest)
		name, value, err := strict.ParseField(line)
		if err != nil {
			return err
		}
		name = http.CanonicalHeaderKey(name)
		if a.Header[name] == nil {
			values[i] = value
			a.Header[name] = values[i : i+1 : i+1]
			continue
		}
		if singleFields[name] {
			return fmt.Errorf("it has more than one %s field", name)
		}
		a.Header[name] = append(a.Header[name], value)
	}
	return nil
}

// singleFields are the fields of an answer that may stand once, being no lists (RFC
// 9110, section 5.3): those by which a client finds out what the body is, where it
// ends and where to go next. Of two lines one client takes the first, another the
// last, and a cache perhaps both. Docker-Distribution-Api-Version is not among them:
// it is replaced, and proxies in front of a registry are known to add a second one.
var singleFields = map[string]bool{
	"Age": true, "Content-Disposition": true, "Content-Length": true, "Content-Location": true, "Content-Range": true,
	"Content-Type": true, "Date": true, "Etag": true, "Expires": true, "Last-Modified": true, "Location": true, "Range": true,
	"Retry-After": true, "Server": true, "Transfer-Encoding": true,
	"Docker-Content-Digest": true, "Docker-Upload-Uuid": true, "Oci-Chunk-Min-Length": true, "Oci-Subject": true,
}

var errStatusLine = errors.New("malformed status line")

// parseStatusLine reads HTTP/1.x SP status [SP reason] (RFC 9112, section 4). A
// control character in the reason is refused as one in a field is: a bare CR ends
// the line for some readers.
func parseStatusLine(line string) (int, error) {
	if len(line) < 12 || line[:7] != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' || strict.ControlInLine(line) {
		return 0, errStatusLine
	}
	status, err := strconv.ParseUint(line[9:12], 10, 16)
	if err != nil || status < 100 {
		return 0, errStatusLine
	}
	return int(status), nil
}
