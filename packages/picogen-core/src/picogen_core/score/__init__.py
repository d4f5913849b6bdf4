"""ABC to MusicXML, SVG, MIDI, PNG and WAV. The converters run in worker processes under limits."""
