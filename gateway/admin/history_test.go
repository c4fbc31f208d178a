package admin

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"gatehouse/gateway"
)

// counted returns totals of requests of which the first number passed, and each took no
// longer than one of the bounds 0.1, 1 and 10.
func counted(passed, refused uint64, durations ...uint64) gateway.Totals {
	t := gateway.Totals{Decisions: map[string]uint64{"allowed": passed, "denied": refused}}
	if durations != nil {
		t.Durations = gateway.Durations{Bounds: []float64{.1, 1, 10}, Counts: durations, Total: passed + refused}
	}
	return t
}

func TestHistoryCountsByTheMinute(t *testing.T) {
	begin := time.Unix(0, 0)
	at := func(minute int) time.Time { return begin.Add(time.Duration(minute) * time.Minute) }
	var h history
	h.add(sampleOf(at(0), counted(0, 0))) // before the first request, when nothing has a bound
	h.add(sampleOf(at(1), counted(90, 10, 60, 90, 100)))
	h.add(sampleOf(at(2), counted(90, 10, 60, 90, 100)))
	got := h.minutes(sampleOf(at(2).Add(time.Second), counted(92, 11, 60, 90, 103)))
	want := []Minute{
		{at(0), 100, 10, .1, 10},
		{at(1), 0, 0, 0, 0},
		{at(2), 3, 1, 10, 10},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A sample may be taken while somebody looks, after the counts that are shown.
func TestHistoryCountsNothingBackwards(t *testing.T) {
	var h history
	h.add(sampleOf(time.Unix(60, 0), counted(90, 10, 60, 90, 100)))
	for _, now := range []gateway.Totals{counted(0, 0), counted(80, 9, 50, 80, 89)} {
		if got := h.minutes(sampleOf(time.Unix(59, 0), now)); got[0].Requests != 0 || got[0].Refused != 0 || got[0].P95 != 0 {
			t.Errorf("got %+v, want nothing", got)
		}
	}
}

func TestHistoryForgetsWhatIsOlderThanAnHour(t *testing.T) {
	var h history
	for i := range 3 * keptMinutes {
		h.add(sampleOf(time.Unix(int64(60*i), 0), counted(uint64(i), 0)))
	}
	got := h.minutes(sampleOf(time.Unix(int64(60*3*keptMinutes), 0), counted(1000, 0)))
	if len(got) != keptMinutes || got[0].Time.Unix() != 60*2*keptMinutes || got[0].Requests != 1 {
		t.Errorf("got %d minutes, the first %v", len(got), got[0])
	}
}

func TestServerRemembersEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{cfg: Config{Metrics: gateway.NewMetrics("v1", "go1")}}
		go s.remember(t.Context())
		time.Sleep(3*sampleEvery + time.Second)
		synctest.Wait()
		if got := len(s.history.samples); got != 3 {
			t.Errorf("%d samples after three minutes", got)
		}
	})
}

// Pictures are of numbers alone, and fit into the page however busy the gateway is.
func TestPicturesStayWithinTheirBounds(t *testing.T) {
	var minutes []Minute
	for i := range keptMinutes {
		minutes = append(minutes, Minute{time.Unix(int64(60*i), 0), uint64(i) << 40, uint64(i) << 39, float64(i) / 7, float64(i)})
	}
	for name, list := range map[string][]Minute{"none": nil, "one": {{Requests: 1, P95: 1e-9, Median: 1e-9}}, "all": minutes, "idle": make([]Minute, keptMinutes)} {
		for _, drawn := range []string{string(drawRates(list)), string(drawLatencies(list))} {
			node, err := html.Parse(strings.NewReader(drawn))
			if err != nil || node == nil || strings.Contains(drawn, "style") || strings.Contains(drawn, "NaN") {
				t.Errorf("%s: %v in %s", name, err, drawn)
			}
			for _, tag := range strings.Split(drawn, "<rect ")[1:] {
				var class string
				var x, y, width, height int
				if _, err := fmt.Sscanf(tag, "class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", &class, &x, &y, &width, &height); err != nil {
					t.Fatalf("%s: %v", tag, err)
				}
				if x < 0 || y < 0 || x+width > pictureWidth || y+height != pictureHeight || height < 1 {
					t.Errorf("%s: out of bounds: %s", name, tag)
				}
			}
		}
	}
	if got := strings.Count(string(drawRates(minutes)), "<rect"); got != 2*(keptMinutes-1) {
		t.Errorf("%d bars, want two for each minute with requests", got)
	}
}

// The page counts the requests of each rule that is in use, also of one that has had none.
func TestPageShowsRoutesAndRules(t *testing.T) {
	ts := start(t, func(c *Config) {
		full(c)
		c.Gateway.(*fakeGateway).stats.Routes = []gateway.RouteStats{{Name: "registry.example/v2/", Rules: []string{"pull<all>", "push"}}}
	})
	body := ask(t, ts.tcp, "GET", "/status").body
	for _, want := range []string{"registry.example/v2/", "pull&lt;all&gt;", "push", "<svg", "requests in each minute"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "pull<all>") {
		t.Error("the name of a rule stands in the page as it is")
	}
}
