// Checks a trail's tree with the Go project's own code (golang.org/x/mod/sumdb): the checkpoint's signature, the inclusion of every
// leaf, and that the tree continues that of each earlier checkpoint.
//
//	verify JOURNAL VKEY [EARLIER-CHECKPOINT...]
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The files of C2SP's tlog-tiles are those of the Go checksum database but for the height in the path.
type tiles struct{ dir string }

func (t tiles) Height() int                                  { return 8 }
func (t tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func checkpoint(path, vkey string) tlog.Tree {
	text, err := os.ReadFile(path)
	check(err)
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}
}

// The entries of one bundle.
func bundle(dir string, index, size int64) [][]byte {
	tile := tlog.Tile{H: 8, L: 0, N: index, W: 256}
	if rest := size - index*256; rest < 256 {
		tile.W = int(rest)
	}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	check(err)
	var entries [][]byte
	for len(data) > 0 {
		length := int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	return entries
}

func main() {
	log.SetFlags(0)
	dir, vkey := os.Args[1], os.Args[2]
	tree := checkpoint(filepath.Join(dir, "checkpoint"), vkey)
	reader := tlog.TileHashReader(tree, tiles{dir})
	leaf := int64(0)
	for leaf < tree.N {
		for _, entry := range bundle(dir, leaf/256, tree.N) {
			proof, err := tlog.ProveRecord(tree.N, leaf, reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, leaf, tlog.RecordHash(entry)))
			leaf++
		}
	}
	for _, path := range os.Args[3:] {
		old := checkpoint(path, vkey)
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Printf("%d leaves, %d earlier checkpoints\n", leaf, len(os.Args)-3)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
