package backend

import (
	"context"
	"errors"
)

// LookUp has b find out who a login as user would be, and whether that account may be
// used, without a password. With an error that is [Refused] the Identity is that of the
// account which may not be used, and the zero value if there is none. What b cannot
// tell of an account without a password does not count; it fails with
// [errors.ErrUnsupported] where b cannot even tell whose name it is.
func LookUp(ctx context.Context, b Backend, user string) (Identity, error) {
	id, err := Extend(b).Resolve(ctx, user)
	if err != nil {
		return Identity{}, err
	}
	now, err := Extend(b).Revalidate(ctx, id)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return id, nil
	case err != nil:
		return id, err
	}
	return now, nil
}
