package fault_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/fault"
)

func TestRecordsHaveTheCodeOfTheirError(t *testing.T) {
	var out strings.Builder
	var counted []fault.Code
	text := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	log := slog.New(fault.NewHandler(text, func(c fault.Code) { counted = append(counted, c) })).With("a", 1)
	missing := fault.With("file.missing", errors.New("gone"))
	log.Error("1", "error", missing)
	log.Warn("2", slog.Any("error", errors.New("without")))
	log.Error("3", fault.Attr, "access.lost", "n", 1)
	log.Error("4", "error", missing, fault.Attr, "config.secret")
	log.Error("5", "id", "7K2M9QX4", "error", missing)
	log.Info("6")
	want := `msg=1 a=1 error=gone code=file.missing
msg=2 a=1 error=without
msg=3 a=1 code=access.lost n=1
msg=4 a=1 error=gone code=config.secret
msg=5 a=1 id=7K2M9QX4 error=gone code=file.missing
msg=6 a=1
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the log differs (-want +got):\n%s", diff)
	}
	// The fifth is about a request, which is counted at its end.
	if diff := cmp.Diff([]fault.Code{"file.missing", "access.lost", "config.secret"}, counted); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}
