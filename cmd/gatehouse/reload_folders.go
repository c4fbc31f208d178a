package main

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks bounds the symbolic links in a path, as the kernel does.
const maxLinks = 40

// foldersOf returns the folders in which something happens when another file comes
// to stand at path: the one that the file is in, and each that has a symbolic link
// on the way to it. Kubernetes mounts "file" as a link to "..data/file", and
// replaces all files at once by renaming another link to "..data".
func foldersOf(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	var folders []string
	links := 0
	for rest, at := path[1:], "/"; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(at, name) // of a clean prefix, so that ".." is its parent
		target, err := os.Readlink(next)
		switch {
		case err == nil && links < maxLinks:
			links++
			folders = append(folders, at)
			rest = strings.TrimPrefix(filepath.Join(target, rest), "/")
			if filepath.IsAbs(target) {
				at = "/"
			}
		case rest == "":
			folders = append(folders, at)
		default:
			at = next
		}
	}
	return folders
}
