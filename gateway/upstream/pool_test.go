package upstream

import "testing"

func TestTimeoutsOfAnUpstreamAreThoseOfTheGatewayWhereNotSet(t *testing.T) {
	all := Timeouts{BodyIdle: 1, Connect: 2, Response: 3, UploadResponse: 4}
	for own, want := range map[Timeouts]Timeouts{
		{}:                   all,
		{Connect: 12}:        {BodyIdle: 1, Connect: 12, Response: 3, UploadResponse: 4},
		{Response: 13}:       {BodyIdle: 1, Connect: 2, Response: 13, UploadResponse: 4},
		{UploadResponse: 14}: {BodyIdle: 1, Connect: 2, Response: 3, UploadResponse: 14},
		{BodyIdle: 11}:       {BodyIdle: 11, Connect: 2, Response: 3, UploadResponse: 4},
		{Connect: 12, Response: 3, UploadResponse: 4}: {BodyIdle: 1, Connect: 12, Response: 3, UploadResponse: 4},
	} {
		u, err := NewPool(Config{URL: "http://127.0.0.1:5000", Timeouts: own}, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		if u.timeouts != want {
			t.Errorf("%v over %v: %v, want %v", own, all, u.timeouts, want)
		}
	}
}
