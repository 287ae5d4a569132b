package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Unpack downloads a package without those that it depends on, and returns the
// folder of what is below some of its paths, once for each digest. It is for a
// package whose dependencies are a whole server that the test stands in for.
// Integrity is the digest as lock files have it: "sha512-" and base64. It needs
// npm in the path.
func Unpack(name, version, integrity string, paths ...string) (folder string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256([]byte(integrity + strings.Join(paths, " ")))
	folder = filepath.Join(cache, "listhook-npm", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	tarball, err := download(name, version, fresh)
	if err != nil {
		return "", err
	}
	digest := sha512.Sum512(tarball)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(digest[:]); got != integrity {
		return "", fmt.Errorf("npm pack: %s %s has the digest %s, not %s", name, version, got, integrity)
	}
	if err := extract(tarball, fresh, paths); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // another test was faster
			return "", err
		}
	}
	return folder, nil
}

// download returns a package as the registry has it. It leaves nothing in the
// folder.
func download(name, version, folder string) ([]byte, error) {
	pack := exec.Command("npm", "pack", name+"@"+version, "--silent")
	pack.Dir = folder
	if out, err := pack.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack: %w\n%s", err, out)
	}
	tarballs, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(tarballs) != 1 {
		return nil, fmt.Errorf("npm pack left %d archives", len(tarballs))
	}
	tarball, err := os.ReadFile(tarballs[0])
	if err != nil {
		return nil, err
	}
	return tarball, os.Remove(tarballs[0])
}

// extract writes the files of an archive that are below one of the paths.
func extract(tarball []byte, folder string, paths []string) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return err
	}
	archive := tar.NewReader(unzipped)
	for {
		entry, err := archive.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		file, ok := strings.CutPrefix(path.Clean(entry.Name), "package/")
		if !ok || entry.Typeflag != tar.TypeReg || !below(paths, file) {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		to := filepath.Join(folder, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
}

func below(paths []string, file string) bool {
	for _, p := range paths {
		if strings.HasPrefix(file, p) {
			return true
		}
	}
	return false
}
