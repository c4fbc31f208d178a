package main

import (
	"crypto/md5"
	"strings"
)

// apr1 is Apache's variant of the MD5-based crypt of FreeBSD: the same
// algorithm with "$apr1$" in place of "$1$".
func apr1(password, salt string) string {
	const magic = "$apr1$"
	pw := []byte(password)
	inner := md5.Sum([]byte(password + salt + password))
	start := []byte(password + magic + salt)
	for i := range pw {
		start = append(start, inner[i%md5.Size])
	}
	for i := len(pw); i > 0; i >>= 1 {
		if i&1 == 1 {
			start = append(start, 0)
		} else {
			start = append(start, pw[0])
		}
	}
	sum := md5.Sum(start)
	for i := range 1000 {
		sum = apr1Round(i, sum, pw, salt)
	}
	return magic + salt + "$" + apr1Encode(sum)
}

func apr1Round(i int, sum [md5.Size]byte, pw []byte, salt string) [md5.Size]byte {
	var b []byte
	if i%2 == 1 {
		b = append(b, pw...)
	} else {
		b = append(b, sum[:]...)
	}
	if i%3 != 0 {
		b = append(b, salt...)
	}
	if i%7 != 0 {
		b = append(b, pw...)
	}
	if i%2 == 1 {
		b = append(b, sum[:]...)
	} else {
		b = append(b, pw...)
	}
	return md5.Sum(b)
}

// apr1Encode writes the bytes in crypt's own order and alphabet.
func apr1Encode(sum [md5.Size]byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var s strings.Builder
	put := func(v uint, n int) {
		for range n {
			s.WriteByte(alphabet[v&63])
			v >>= 6
		}
	}
	for i := range 5 {
		last := i + 12
		if i == 4 {
			last = 5
		}
		put(uint(sum[i])<<16|uint(sum[i+6])<<8|uint(sum[last]), 4)
	}
	put(uint(sum[11]), 2)
	return s.String()
}
