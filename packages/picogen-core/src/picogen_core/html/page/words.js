"use strict";
// What the page says, in English and Chinese; written in ASCII.

const WORDS = {
  en: {
    title: "PiCo-Gen: a page that composes", tagline: "A small student writes sheet music, here in your browser.",
    student: "Student", key: "Key", meter: "Meter", bars: "Bars", tempo: "Tempo", temperature: "Temperature",
    seed: "Seed", any: "any", more: "Begin with your own music, compare two takes", fresh: "New seed for each piece",
    two: "Two takes side by side", prompt: "Begin with (ABC)",
    drop: "Type or paste ABC, or drop a file anywhere. A header is enough. Or choose a bar of the score: the piece is kept up to there.",
    file: "Open a file", compose: "Compose", stop: "Stop", play: "Play", pause: "Pause", next: "Next", score: "Score",
    takeA: "Take A", takeB: "Take B", keep: "Keep this one", speed: "Playing tempo", voices: "Voices", voice: "Voice",
    abc: "Save ABC", midi: "Save MIDI", link: "Copy link", copied: "The link is copied.", choices: "Export choices",
    text: "ABC text", language: "Language", loading: "Loading\u2026", ready: "Ready.", empty: "Press Compose, and a tune appears here.",
    writing: "Writing: {bars} bars so far.", done: "{bars} bars, complete.", broken: "{bars} bars. Not complete: {why}.",
    stopped: "Stopped.", kept: "Kept take {take}.", from: "Bar {bar}: go on from here",
    goes: "The piece is kept up to bar {bar}. Compose goes on.", failed: "The student could not be read: {why}",
    settings: "Settings", result: "Piece", long: "The text is too long: at most 100 kB.",
    about: "{students}. Everything happens in this page: nothing is sent, nothing is loaded.", weights: "{name}, {count} weights",
  },
  zh: {
    title: "PiCo-Gen\uff1a\u4f1a\u4f5c\u66f2\u7684\u7f51\u9875", tagline: "\u4e00\u4e2a\u5c0f\u6a21\u578b\u5728\u4f60\u7684\u6d4f\u89c8\u5668\u91cc\u5199\u4e50\u8c31\u3002",
    student: "\u5b66\u751f\u6a21\u578b", key: "\u8c03", meter: "\u62cd\u53f7", bars: "\u5c0f\u8282\u6570", tempo: "\u901f\u5ea6", temperature: "\u6e29\u5ea6",
    seed: "\u968f\u673a\u79cd\u5b50", any: "\u4efb\u610f", more: "\u4ece\u81ea\u5df1\u7684\u97f3\u4e50\u5f00\u59cb\uff0c\u6bd4\u8f83\u4e24\u4e2a\u7248\u672c", fresh: "\u6bcf\u9996\u4f7f\u7528\u65b0\u79cd\u5b50",
    two: "\u5e76\u6392\u4e24\u4e2a\u7248\u672c", prompt: "\u5f00\u5934\uff08ABC\uff09",
    drop: "\u8f93\u5165\u6216\u7c98\u8d34 ABC\uff0c\u6216\u628a\u6587\u4ef6\u62d6\u5230\u9875\u9762\u4e0a\u3002\u53ea\u5199\u8c31\u5934\u4e5f\u53ef\u4ee5\u3002\u4e5f\u53ef\u4ee5\u9009\u62e9\u4e50\u8c31\u4e2d\u7684\u4e00\u5c0f\u8282\uff1a\u4e50\u66f2\u4fdd\u7559\u5230\u90a3\u91cc\u3002",
    file: "\u6253\u5f00\u6587\u4ef6", compose: "\u4f5c\u66f2", stop: "\u505c\u6b62", play: "\u64ad\u653e", pause: "\u6682\u505c", next: "\u4e0b\u4e00\u9996", score: "\u4e50\u8c31",
    takeA: "\u7248\u672c A", takeB: "\u7248\u672c B", keep: "\u4fdd\u7559\u8fd9\u4e2a", speed: "\u64ad\u653e\u901f\u5ea6", voices: "\u58f0\u90e8", voice: "\u58f0\u90e8",
    abc: "\u4fdd\u5b58 ABC", midi: "\u4fdd\u5b58 MIDI", link: "\u590d\u5236\u94fe\u63a5", copied: "\u94fe\u63a5\u5df2\u590d\u5236\u3002", choices: "\u5bfc\u51fa\u9009\u62e9",
    text: "ABC \u6587\u672c", language: "\u8bed\u8a00", loading: "\u6b63\u5728\u8f7d\u5165\u2026", ready: "\u5c31\u7eea\u3002", empty: "\u6309\u201c\u4f5c\u66f2\u201d\uff0c\u4e50\u8c31\u5c31\u4f1a\u51fa\u73b0\u5728\u8fd9\u91cc\u3002",
    writing: "\u6b63\u5728\u5199\uff0c\u5df2\u6709 {bars} \u5c0f\u8282\u3002", done: "{bars} \u5c0f\u8282\uff0c\u5b8c\u6210\u3002", broken: "{bars} \u5c0f\u8282\uff0c\u672a\u5b8c\u6210\uff1a{why}\u3002",
    stopped: "\u5df2\u505c\u6b62\u3002", kept: "\u5df2\u4fdd\u7559\u7248\u672c {take}\u3002", from: "\u7b2c {bar} \u5c0f\u8282\uff1a\u4ece\u8fd9\u91cc\u7ee7\u7eed",
    goes: "\u4fdd\u7559\u5230\u7b2c {bar} \u5c0f\u8282\uff0c\u518d\u6309\u201c\u4f5c\u66f2\u201d\u7ee7\u7eed\u3002", failed: "\u65e0\u6cd5\u8bfb\u53d6\u6a21\u578b\uff1a{why}",
    settings: "\u8bbe\u7f6e", result: "\u4e50\u66f2", long: "\u6587\u672c\u592a\u957f\uff1a\u6700\u591a 100 kB\u3002",
    about: "{students}\u3002\u4e00\u5207\u90fd\u5728\u672c\u9875\u4e2d\u8fdb\u884c\uff1a\u4e0d\u4e0a\u4f20\uff0c\u4e5f\u4e0d\u4e0b\u8f7d\u4efb\u4f55\u5185\u5bb9\u3002", weights: "{name}\uff0c{count} \u4e2a\u6743\u91cd",
  },
};
let language = navigator.language.startsWith("zh") ? "zh" : "en";
const word = (name, values = {}) =>
  WORDS[language][name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
