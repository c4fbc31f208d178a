package gateway

import (
	"regexp"
	"strconv"
	"strings"
)

// The grammar of answers as RFC 9112 has it, in expressions, to compare the
// gateway's reader with.
var (
	refAnswerHead = regexp.MustCompile(`\AHTTP/1\.([01]) ([1-9][0-9]{2})(?: ` + refText + `)?\r\n((?:` + refField + `\r\n)*)\r\n`)
	refLength     = regexp.MustCompile(`\A[0-9]{1,18}\z`)
	refChunkSize  = regexp.MustCompile(`\A([0-9A-Fa-f]{1,15})(?:;` + refText + `)?\r\n`)
	refTrailers   = regexp.MustCompile(`\A(?:` + refField + `\r\n)*\r\n`)
)

const (
	refText  = `[^\x00-\x08\x0a-\x1f\x7f]*`
	refField = "[!#$%&'*+.^_`|~0-9A-Za-z-]+:" + refText
)

// refSingle are the fields that RFC 9110 and the OCI distribution specification
// define without a list.
var refSingle = strings.Fields("age content-disposition content-length content-location content-range content-type date docker-content-digest etag expires last-modified location retry-after server transfer-encoding")

// refFields returns the values of fields by their names in lower case.
func refFields(lines string) (map[string][]string, error) {
	fields := map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(lines, "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		fields[name] = append(fields[name], strings.Trim(value, " \t"))
	}
	for _, name := range refSingle {
		if len(fields[name]) > 1 {
			return nil, errReference
		}
	}
	return fields, nil
}

// refChunks returns the content of a chunked body, and its length on the wire.
func refChunks(wire string) (body string, length int, err error) {
	for rest := wire; ; {
		m := refChunkSize.FindStringSubmatch(rest)
		if m == nil {
			return body, len(wire) - len(rest), errReference
		}
		rest = rest[len(m[0]):]
		size, _ := strconv.ParseUint(m[1], 16, 64)
		if size == 0 {
			end := refTrailers.FindString(rest)
			if end == "" {
				return body, len(wire) - len(rest), errReference
			}
			return body, len(wire) - len(rest) + len(end), nil
		}
		if uint64(len(rest)) < size+2 || rest[size:size+2] != "\r\n" {
			return body, len(wire) - len(rest), errReference
		}
		body += rest[:size]
		rest = rest[size+2:]
	}
}
