"""Single sign-on by OpenID Connect: who somebody is says their own provider, what they may do our file."""
