package assemble

import (
	"context"
	"log/slog"
	"sync"
)

// warningLog is a log that keeps what is warned of.
type warningLog struct {
	mu    sync.Mutex
	texts []string
}

var _ slog.Handler = (*warningLog)(nil)

// Enabled reports whether level is that of a warning at least.
func (*warningLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// WithAttrs returns the log itself: the place of a warning says what it is about.
func (w *warningLog) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup returns the log itself.
func (w *warningLog) WithGroup(string) slog.Handler { return w }

// Handle keeps the text of a record with its values.
func (w *warningLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " (" + a.String() + ")"
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
	return nil
}

func (w *warningLog) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}
