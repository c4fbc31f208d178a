package fault

import (
	"context"
	"log/slog"
)

// Attr is the name under which a record of a log has the code of its error.
const Attr = "code"

// requestAttr is the name under which a record that is about a request has its id.
const requestAttr = "id"

// logHandler adds codes to records.
type logHandler struct {
	slog.Handler
	count func(Code)
}

// NewHandler returns a handler that hands records to next, those with an error
// together with its code. It tells count of each code but in records about a
// request, which has an end of its own to be counted at.
func NewHandler(next slog.Handler, count func(Code)) slog.Handler {
	return &logHandler{next, count}
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs), h.count}
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name), h.count}
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	code, given, ofRequest := Code(""), false, false
	r.Attrs(func(a slog.Attr) bool {
		switch err, isError := a.Value.Any().(error); {
		case a.Key == requestAttr:
			ofRequest = true
		case a.Key == Attr:
			code, given = Code(a.Value.String()), true
		case isError && code == "":
			code = Of(err)
		}
		return true
	})
	if code != "" && !ofRequest {
		h.count(code)
	}
	if code != "" && !given {
		r = r.Clone()
		r.AddAttrs(slog.String(Attr, string(code)))
	}
	return h.Handler.Handle(ctx, r)
}
