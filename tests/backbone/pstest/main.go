// Google's own in-memory Pub/Sub server; prints its address, runs until its standard input ends.
package main

import (
	"fmt"
	"io"
	"os"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	fmt.Println(pstest.NewServer().Addr)
	io.Copy(io.Discard, os.Stdin)
}
