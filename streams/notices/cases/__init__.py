"""What people do to cases, by command: :mod:`streams.notices.acts`, brought in when it is used."""
