package site

import (
	"cmp"
	"os"
	"os/user"
	"strconv"
)

// Operator is who runs this program: user@host of the operating system. Behind
// sudo it is the user who called that.
func Operator() string {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if os.Geteuid() == 0 {
		name = cmp.Or(os.Getenv("SUDO_USER"), name)
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
