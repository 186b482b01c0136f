// Verifies an assertion with golang-jwt. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// Verifier is made once: it keeps the keys, and asks again when it meets an unknown kid.
type Verifier struct {
	keys   keyfunc.Keyfunc
	parser *jwt.Parser
}

// NewVerifier fetches the keys.
func NewVerifier(jwks, issuer, audience string) (*Verifier, error) {
	keys, err := keyfunc.NewDefault([]string{jwks})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithNotBeforeRequired(),
		jwt.WithLeeway(5*time.Second),
	)
	return &Verifier{keys, parser}, nil
}

// Verify gives the claims of an assertion (the header X-Entrada-Assertion), or an error.
func (v *Verifier) Verify(assertion string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	token, err := v.parser.ParseWithClaims(assertion, claims, v.keys.Keyfunc)
	if err != nil {
		return nil, err
	}
	if token.Header["typ"] != "entrada+jwt" {
		return nil, errors.New("typ is not entrada+jwt")
	}
	if subject, err := claims.GetSubject(); err != nil || subject == "" {
		return nil, errors.New("sub is missing")
	}
	return claims, nil
}

func run() error {
	verifier, err := NewVerifier(os.Getenv("ENTRADA_JWKS_URL"), os.Getenv("ENTRADA_ISSUER"), os.Getenv("ENTRADA_AUDIENCE"))
	if err != nil {
		return err
	}
	assertion, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	claims, err := verifier.Verify(strings.TrimSpace(string(assertion)))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}
