package admin

import (
	"time"

	"gatehouse/backend"
	"gatehouse/gateway"
)

// Backend is one that the configuration names.
type Backend struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Degraded bool            `json:"degraded"`
	Servers  []BackendServer `json:"servers,omitempty"` // that it asks
	Cache    *Cache          `json:"cache,omitempty"`   // what remembers its answers
	Shield   *Shield         `json:"shield,omitempty"`  // what keeps accounts from being locked
	Flood    *Flood          `json:"flood,omitempty"`   // what refuses too many failures
}

// Shield is what a lock-out shield did with passwords, and how many users it
// answers for at the moment because too many wrong ones came.
type Shield struct {
	Passed   uint64 `json:"passed"`
	Repeated uint64 `json:"repeated"`
	Withheld uint64 `json:"withheld"`
	Shielded int    `json:"shielded_users"`
}

// Flood counts the logins that were refused because too many had failed, from
// their source or altogether.
type Flood struct {
	Source uint64 `json:"refused_by_source"`
	Total  uint64 `json:"refused_by_total"`
}

// BackendServer is a server that a backend asks.
type BackendServer struct {
	Address   string     `json:"address"`
	Down      bool       `json:"down"` // it is left alone for a while, because it failed
	InUse     int        `json:"connections_in_use"`
	Idle      int        `json:"connections_idle"`
	LastError string     `json:"last_error,omitempty"`
	LastFault *time.Time `json:"last_fault,omitempty"`
}

// Cache is what a credential cache remembers, and how often that was enough.
type Cache struct {
	HitRate  float64 `json:"hit_rate"` // of all logins, from 0 to 1
	Hits     uint64  `json:"hits"`
	Negative uint64  `json:"negative"`
	Stale    uint64  `json:"stale"`
	Misses   uint64  `json:"misses"`
	Entries  int     `json:"entries"`
}

func (s *Server) backends() []Backend {
	all := []Backend{}
	for _, b := range s.cfg.Metrics.Backends() {
		all = append(all, describe(b))
	}
	return all
}

func describe(b gateway.BackendInfo) Backend {
	shown := Backend{Name: b.Name, Type: b.Type}
	if status, ok := b.Status(); ok {
		shown.Degraded = status.Degraded
		for _, server := range status.Servers {
			shown.Servers = append(shown.Servers, describeServer(server))
		}
	}
	if b.Cache != nil {
		shown.Cache = describeCache(b.Cache.Stats())
	}
	if b.Shield != nil {
		s := b.Shield.Stats()
		shown.Shield = &Shield{Passed: s.Passed, Repeated: s.Repeated, Withheld: s.Withheld, Shielded: s.Spent}
	}
	if b.Flood != nil {
		s := b.Flood.Stats()
		shown.Flood = &Flood{Source: s.Source, Total: s.Total}
	}
	return shown
}

func describeCache(s backend.CacheStats) *Cache {
	c := &Cache{
		Hits: s.Logins.Hit, Negative: s.Logins.Negative, Stale: s.Logins.Stale, Misses: s.Logins.Miss,
		Entries: s.GoodLogins.Entries + s.BadLogins.Entries,
	}
	remembered := c.Hits + c.Negative + c.Stale
	if all := remembered + c.Misses; all > 0 {
		c.HitRate = float64(remembered) / float64(all)
	}
	return c
}

func describeServer(s backend.ServerStatus) BackendServer {
	shown := BackendServer{Address: s.Address, Down: s.Down, InUse: s.InUse, Idle: s.Idle, LastError: s.LastError}
	if !s.LastFault.IsZero() {
		shown.LastFault = &s.LastFault
	}
	return shown
}
