package admin

import (
	"net/http"
	"time"
)

// addControl serves what changes something or shows names.
func (s *Server) addControl(mux *http.ServeMux) {
	if s.cfg.Reload != nil {
		mux.HandleFunc("POST /reload", s.reload)
	}
	if s.cfg.Purge != nil {
		mux.HandleFunc("POST /purge", s.purge)
	}
	if s.cfg.Tokens != nil {
		s.addTokens(mux)
	}
	if s.cfg.Probe != nil {
		mux.HandleFunc("POST /probe/{name}", s.probe)
	}
	if s.cfg.Why != nil {
		mux.HandleFunc("GET /why/{id}", s.why)
	}
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	if err := s.cfg.Reload(r.Context()); err != nil {
		failWith(w, http.StatusUnprocessableEntity, err)
		return
	}
	c := s.cfg.Configuration()
	reply(w, http.StatusOK, map[string]any{"file": c.File, "hash": c.Hash, "seconds": time.Since(begin).Seconds()})
}

func (s *Server) purge(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	user := query.Get("user")
	if query.Has("user") && user == "" {
		fail(w, http.StatusBadRequest, "the name of the user is empty; without ?user= all users are forgotten")
		return
	}
	caches, err := s.cfg.Purge(user)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.cfg.Log.Info("remembered logins purged", "all", user == "", "caches", caches)
	reply(w, http.StatusOK, map[string]any{"user": user, "caches": caches})
}

func (s *Server) probe(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	found, ok := s.cfg.Probe(r.Context(), name)
	if !ok {
		fail(w, http.StatusNotFound, "there is no backend of that name that asks servers")
		return
	}
	s.cfg.Log.Info("servers of a backend tried", "backend", name)
	reply(w, http.StatusOK, found)
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	found, ok := s.cfg.Why(r.PathValue("id"))
	if !ok {
		fail(w, http.StatusNotFound, "no refusal with that id is remembered")
		return
	}
	reply(w, http.StatusOK, found)
}
