"""All runs of a model: stores, the champion, the promotion rule, maintenance."""
