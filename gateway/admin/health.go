package admin

import (
	"io"
	"log/slog"
	"net/http"
	"strings"

	"gatehouse/gateway"
)

// livez says that the program answers.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "ok")
}

// readyz says whether clients should be sent here. That a directory does not answer
// is no reason against it: it would take all replicas out at once, and turn clear
// answers of 503 into refused connections.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state := s.cfg.Gateway.Stats().State
	if state != gateway.StateServing {
		text(w, http.StatusServiceUnavailable, string(state))
		return
	}
	if degraded := s.degraded(); len(degraded) > 0 {
		text(w, http.StatusOK, "degraded: backend "+strings.Join(degraded, ", "))
		return
	}
	text(w, http.StatusOK, "ready")
}

// degraded returns the names of the backends whose answers are likely to fail.
func (s *Server) degraded() []string {
	var names []string
	for _, b := range s.cfg.Metrics.Backends() {
		if status, ok := b.Status(); ok && status.Degraded {
			names = append(names, b.Name)
		}
	}
	return names
}

func text(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, line+"\n")
}

// scrapeLog logs what could not be collected.
type scrapeLog struct{ log *slog.Logger }

// Println implements the interface that promhttp logs to.
func (l scrapeLog) Println(v ...any) {
	for _, part := range v {
		if err, ok := part.(error); ok {
			l.log.Error("collecting metrics", "error", err)
		}
	}
}
