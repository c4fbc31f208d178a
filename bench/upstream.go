package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The upstream is a process of its own, so that its work is not counted as
// anybody's. It speaks the few words of the registry protocol that are loaded.
const (
	upstreamCommand = "upstream"

	rootPath     = "/v2/"
	manifestPath = "/v2/bench/manifests/latest"
	blobPath     = "/v2/bench/blobs/latest"
	uploadPath   = "/v2/bench/blobs/uploads/1"
)

// runUpstream serves until stdin ends, which it does when the process that
// started it ends, however that came.
func runUpstream(args []string, stdin io.Reader) error {
	if len(args) != 2 {
		return errors.New("upstream: want an address and the size of a blob in bytes")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("upstream: size of a blob: %w", err)
	}
	s := &http.Server{Addr: args[0], Handler: upstream(newBlob(size)), ReadHeaderTimeout: time.Minute}
	go func() {
		io.Copy(io.Discard, stdin)
		s.Shutdown(context.Background())
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

// blob is what is pulled and pushed: random bytes, the same in every process,
// repeated to the wanted size. Short enough to stay in the processor's cache,
// for it is the proxy's memory traffic that is of interest.
type blob struct {
	pattern []byte
	size    int64
}

func newBlob(size int64) blob {
	pattern := make([]byte, 256<<10)
	rand.NewChaCha8([32]byte{}).Read(pattern)
	return blob{pattern, size}
}

// WriteTo writes the whole blob to w.
func (b blob) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for n < b.size {
		m, err := w.Write(b.pattern[:min(int64(len(b.pattern)), b.size-n)])
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (b blob) digest() string {
	h := sha256.New()
	b.WriteTo(h)
	return digestOf(h)
}

func digestOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

func upstream(b blob) http.Handler {
	mux := http.NewServeMux()
	manifest := smallManifest()
	mux.HandleFunc("GET "+rootPath+"{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "{}")
	})
	mux.HandleFunc("GET "+manifestPath, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		h.Set("Content-Length", strconv.Itoa(len(manifest)))
		h.Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Write(manifest)
	})
	mux.HandleFunc("GET "+blobPath, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.FormatInt(b.size, 10))
		b.WriteTo(w)
	})
	mux.HandleFunc("PATCH "+uploadPath, func(w http.ResponseWriter, r *http.Request) {
		receive(w, r, io.Discard, func() int { return http.StatusAccepted })
	})
	mux.HandleFunc("PUT "+uploadPath, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		receive(w, r, h, func() int {
			if digestOf(h) != r.URL.Query().Get("digest") {
				return http.StatusBadRequest
			}
			return http.StatusCreated
		})
	})
	return mux
}

// receive takes an upload and says how much of it came, as a registry does.
func receive(w http.ResponseWriter, r *http.Request, to io.Writer, status func() int) {
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, r.Body, make([]byte, 256<<10))
	if err != nil {
		http.Error(w, "upload broke off", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", "0")
	w.Header().Set("Range", rangeOf(n))
	w.WriteHeader(status())
}

// rangeOf is how a registry names the first n bytes of an upload.
func rangeOf(n int64) string { return fmt.Sprintf("0-%d", n-1) }

// smallManifest is about as long as the manifest of an image of one layer.
func smallManifest() []byte {
	var b bytes.Buffer
	descriptor := func(kind string) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%064d","size":1234}`, kind, 1)
	}
	fmt.Fprintf(&b, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`,
		descriptor("config.v1+json"), descriptor("layer.v1.tar+gzip"))
	return b.Bytes()
}
