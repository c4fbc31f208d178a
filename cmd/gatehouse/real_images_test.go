package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The media types of an image in the form of the OCI image specification.
const (
	mediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor names content by its digest, as OCI manifests do.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// digest returns the name of content in a registry.
func digest(content []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(content))
}

// rootfs is the file system of a tiny image, as a tar file.
func rootfs(t *testing.T, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(text))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// writeImage writes an image of one layer to dir as an OCI layout, tagged
// latest, and returns the digest of its manifest.
func writeImage(t *testing.T, dir, text string) string {
	t.Helper()
	files := rootfs(t, text)
	var layer bytes.Buffer
	zip := gzip.NewWriter(&layer)
	zip.Write(files)
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	layerDescriptor := writeBlob(t, dir, mediaTypeLayer, layer.Bytes())
	config := writeBlob(t, dir, mediaTypeConfig, fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest(files)))
	manifest := writeBlob(t, dir, mediaTypeManifest, toJSON(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     mediaTypeManifest,
		"config":        config,
		"layers":        []descriptor{layerDescriptor},
	}))
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": "latest"}
	writeFile(t, filepath.Join(dir, "index.json"), toJSON(t, map[string]any{
		"schemaVersion": 2,
		"manifests":     []descriptor{manifest},
	}), 0o644)
	writeFile(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
	return manifest.Digest
}

// writeBlob adds content to the OCI layout in dir.
func writeBlob(t *testing.T, dir, mediaType string, content []byte) descriptor {
	t.Helper()
	d := descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
	name := blobFile(dir, d.Digest)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, content, 0o644)
	return d
}

// blobFile returns where an OCI layout keeps the content of a digest.
func blobFile(dir, digest string) string {
	return filepath.Join(dir, "blobs", "sha256", digest[len("sha256:"):])
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkImage checks that the OCI layout in dir holds the image that writeImage
// returned the digest of, with every blob complete.
func checkImage(t *testing.T, dir, manifestDigest string) {
	t.Helper()
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	text, err := os.ReadFile(blobFile(dir, manifestDigest))
	if err != nil {
		t.Fatalf("the manifest did not come back: %v", err)
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		content, err := os.ReadFile(blobFile(dir, d.Digest))
		if err != nil || digest(content) != d.Digest {
			t.Errorf("blob %s came back as %s (%v)", d.Digest, digest(content), err)
		}
	}
}
