"""ABC to MusicXML, SVG and MIDI. The converters run in worker processes under limits."""
