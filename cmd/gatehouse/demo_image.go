package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
)

// Media types of the OCI image specification.
const (
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor refers to a blob in an image manifest.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// seedImage puts an image with one small layer into a registry.
func seedImage(registry http.Handler, repository, tag string) error {
	layer, diffID, err := helloLayer()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"/hello.txt"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{diffID}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": mediaManifest,
		"config": descriptor{mediaConfig, digestOf(config), len(config)},
		"layers": []descriptor{{mediaLayer, digestOf(layer), len(layer)}},
	})
	if err != nil {
		return err
	}
	for _, blob := range [][]byte{layer, config} {
		path := "/v2/" + repository + "/blobs/uploads/?digest=" + url.QueryEscape(digestOf(blob))
		if err := send(registry, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(blob))); err != nil {
			return err
		}
	}
	r := httptest.NewRequest(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, bytes.NewReader(manifest))
	r.Header.Set("Content-Type", mediaManifest)
	return send(registry, r)
}

// helloLayer returns a layer with one file, and the digest of it unpacked.
func helloLayer() (layer []byte, diffID string, err error) {
	text := []byte("This image came through gatehouse.\n")
	var plain, packed bytes.Buffer
	t := tar.NewWriter(&plain)
	if err := t.WriteHeader(&tar.Header{Name: "hello.txt", Mode: 0o644, Size: int64(len(text))}); err != nil {
		return nil, "", err
	}
	if _, err := t.Write(text); err != nil {
		return nil, "", err
	}
	if err := t.Close(); err != nil {
		return nil, "", err
	}
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), digestOf(plain.Bytes()), nil
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// send carries out one request to a registry in the same program.
func send(registry http.Handler, r *http.Request) error {
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, r)
	if w.Code/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %s", r.Method, r.URL, w.Code, w.Body)
	}
	return nil
}
