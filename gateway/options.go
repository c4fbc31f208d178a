package gateway

import (
	"errors"
	"net/http"
	"strconv"

	"gatehouse/gateway/rules"
)

// hopsLeft returns to how many more servers r may be passed on, and reports whether
// it says that at all. Only OPTIONS does (RFC 9110, section 7.6.2), since TRACE is
// never passed on. More hops than anybody has are as good as any number.
func hopsLeft(r *http.Request) (hops uint64, counted bool, p *problem) {
	lines := r.Header["Max-Forwards"]
	if r.Method != http.MethodOptions || len(lines) == 0 {
		return 0, false, nil
	}
	hops, err := strconv.ParseUint(lines[0], 10, 32)
	if len(lines) > 1 || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false, badRequest("the Max-Forwards field is not one number")
	}
	return hops, true, nil
}

// countHop counts the gateway among the servers that the request passes, and reports
// whether it is the last of them.
func (x *exchange) countHop() (isLast bool) {
	hops, counted, _ := hopsLeft(x.r) // examined before
	if counted && hops > 0 {
		x.r.Header["Max-Forwards"] = []string{strconv.FormatUint(hops-1, 10)}
	}
	return counted && hops == 0
}

// answerOptions says what the gateway passes on, to a client that asks for it and not
// for what the upstream does.
func (x *exchange) answerOptions() {
	x.status = http.StatusOK
	h := x.w.Header()
	x.stamp(h)
	h.Set("Allow", rules.AllMethods)
	h.Set("Cache-Control", "no-store")
	x.answerHere(nil)
}
