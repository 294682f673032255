// Command stranger checks a published log with code nobody here wrote:
// golang.org/x/mod/sumdb/note for signatures, golang.org/x/mod/sumdb/tlog for
// the tree. What those packages do not know (C2SP checkpoints, entry bundles and
// .tlog-proof files) it reads by itself, from the specifications.
//
//	stranger [-older CHECKPOINT] [-proof FILE] DIR VERIFIER-KEY
//
// DIR holds checkpoint and tile/. It prints what it checked and exits 0, or
// prints what does not hold and exits 1.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

func main() {
	older := flag.String("older", "", "an earlier checkpoint of the same log")
	proof := flag.String("proof", "", "a .tlog-proof file of one of its leaves")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := check(flag.Arg(0), flag.Arg(1), *older, *proof); err != nil {
		fmt.Println("does not hold:", err)
		os.Exit(1)
	}
	fmt.Println("holds")
}

func check(dir, vkey, older, proof string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	tree, err := readCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	fmt.Printf("checkpoint: %d leaves, signed by %s\n", tree.N, verifier.Name())
	log := &folder{dir: dir, seen: map[tlog.Tile][]byte{}}
	hashes := tlog.TileHashReader(tree, log)

	entries, err := checkEntries(dir, tree, hashes)
	if err != nil {
		return err
	}
	fmt.Printf("entries: %d, each proven to be in the tree\n", len(entries))
	files, err := checkFiles(dir, tree, hashes, entries)
	if err != nil {
		return err
	}
	fmt.Printf("files: %d tiles and bundles, each as the tree has it\n", files)

	cosigned := filepath.Join(dir, "cosigned")
	if _, err := os.Stat(cosigned); err == nil {
		if err := checkOlder(cosigned, verifier, tree, hashes); err != nil {
			return fmt.Errorf("cosigned: %w", err)
		}
	}
	if older != "" {
		if err := checkOlder(older, verifier, tree, hashes); err != nil {
			return fmt.Errorf("older checkpoint: %w", err)
		}
	}
	if proof != "" {
		if err := checkProof(proof, verifier, entries); err != nil {
			return fmt.Errorf("proof: %w", err)
		}
	}
	return nil
}

// readCheckpoint reads a C2SP checkpoint that verifier has signed.
func readCheckpoint(path string, verifier note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return openCheckpoint(data, verifier)
}

func openCheckpoint(data []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 1 {
		return tlog.Tree{}, errors.New("no size")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// folder reads tiles as C2SP lays them out: as package tlog does, without the
// height in the path, and with the full tile in place of a partial one that is gone.
type folder struct {
	dir  string
	seen map[tlog.Tile][]byte
}

func (f *folder) Height() int                     { return height }
func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, ok := f.seen[tile]
		if !ok {
			var err error
			if data, err = os.ReadFile(filepath.Join(f.dir, tilePath(tile))); errors.Is(err, fs.ErrNotExist) {
				full := tile
				full.W = width
				data, err = os.ReadFile(filepath.Join(f.dir, tilePath(full)))
				if err == nil && len(data) >= tile.W*tlog.HashSize {
					data = data[:tile.W*tlog.HashSize]
				}
			} else if err == nil && len(data) != tile.W*tlog.HashSize {
				return nil, fmt.Errorf("%s: wrong length", tilePath(tile))
			}
			if data == nil {
				return nil, fmt.Errorf("%s: missing", tilePath(tile))
			}
			f.seen[tile] = data
		}
		found = append(found, data)
	}
	return found, nil
}

func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// bundlePath is that of the n-th entry bundle: a level-0 tile's, under another name.
func bundlePath(n int64, w int) string {
	path := tilePath(tlog.Tile{H: height, L: 0, N: n, W: w})
	return strings.Replace(path, "tile/0/", "tile/entries/", 1)
}

// readBundle takes an entry bundle apart: 16-bit big-endian lengths and entries.
func readBundle(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, fmt.Errorf("%s: cut off", path)
		}
		size := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < size {
			return nil, fmt.Errorf("%s: cut off", path)
		}
		entries = append(entries, data[:size])
		data = data[size:]
	}
	return entries, nil
}

// checkEntries reads every leaf and proves it against the tree's root.
func checkEntries(dir string, tree tlog.Tree, hashes tlog.HashReader) ([][]byte, error) {
	var entries [][]byte
	for start := int64(0); start < tree.N; start += width {
		w := width
		if tree.N-start < width {
			w = int(tree.N - start)
		}
		bundle, err := readBundle(filepath.Join(dir, bundlePath(start/width, w)))
		if errors.Is(err, fs.ErrNotExist) {
			bundle, err = readBundle(filepath.Join(dir, bundlePath(start/width, width)))
		}
		if err != nil {
			return nil, err
		}
		if len(bundle) < w {
			return nil, fmt.Errorf("%s: %d entries", bundlePath(start/width, w), len(bundle))
		}
		entries = append(entries, bundle[:w]...)
	}
	for index, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(index), hashes)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)); err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
	}
	return entries, nil
}

// checkFiles compares every file under tile/ with what the tree says it must be.
func checkFiles(dir string, tree tlog.Tree, hashes tlog.HashReader, entries [][]byte) (int, error) {
	count := 0
	err := filepath.WalkDir(filepath.Join(dir, "tile"), func(path string, found fs.DirEntry, err error) error {
		if err != nil || found.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		isBundle := strings.HasPrefix(name, "tile/entries/")
		canonical := strings.Replace(name, "tile/entries/", "tile/0/", 1)
		tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/", height) + strings.TrimPrefix(canonical, "tile/"))
		if err != nil {
			return err
		}
		if (tile.N*width+int64(tile.W))<<(height*tile.L) > tree.N {
			return fmt.Errorf("%s: outside the tree", name)
		}
		count++
		if isBundle {
			bundle, err := readBundle(path)
			if err != nil {
				return err
			}
			if len(bundle) != tile.W {
				return fmt.Errorf("%s: %d entries", name, len(bundle))
			}
			for i, entry := range bundle {
				if !bytes.Equal(entry, entries[tile.N*width+int64(i)]) {
					return fmt.Errorf("%s: entry %d differs", name, i)
				}
			}
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		expected, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !bytes.Equal(data, expected) {
			return fmt.Errorf("%s: differs from the tree", name)
		}
		return nil
	})
	return count, err
}

// checkOlder proves another signed checkpoint of this log to be a prefix of tree.
func checkOlder(path string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) error {
	old, err := readCheckpoint(path, verifier)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	fmt.Printf("%s: %d leaves, a prefix of %d\n", filepath.Base(path), old.N, tree.N)
	return nil
}

// checkProof checks a C2SP .tlog-proof file of one of the entries.
func checkProof(path string, verifier note.Verifier, entries [][]byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil || index < 0 || index >= int64(len(entries)) {
		return errors.New("no such index")
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		step, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(step) != tlog.HashSize {
			return errors.New("no hash")
		}
		proof = append(proof, *(*tlog.Hash)(step))
	}
	tree, err := openCheckpoint([]byte(checkpoint), verifier)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index])); err != nil {
		return err
	}
	fmt.Printf("proof: leaf %d is under a checkpoint of %d leaves\n", index, tree.N)
	return nil
}
