"""The notice service: cases, notices, answers, deadlines, proof."""
