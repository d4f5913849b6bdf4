"""MusicXML as notes."""
