"""PiCo-Gen under attack: damaged and made-up inputs, odd command lines, signals, rivals."""
