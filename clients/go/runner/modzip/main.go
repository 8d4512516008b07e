// Command modzip makes the zip file of a module, as a module proxy serves it, and unpacks it.
//
//	modzip MODULE VERSION SOURCE ZIP INSTALLED
package main

import (
	"log"
	"os"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 6 {
		log.Fatal("usage: modzip MODULE VERSION SOURCE ZIP INSTALLED")
	}
	version := module.Version{Path: os.Args[1], Version: os.Args[2]}
	source, archive, installed := os.Args[3], os.Args[4], os.Args[5]
	file, err := os.Create(archive)
	if err != nil {
		log.Fatal(err)
	}
	if err := zip.CreateFromDir(file, version, source); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
	if err := zip.Unzip(installed, version, archive); err != nil {
		log.Fatal(err)
	}
}
