import { distance } from "fastest-levenshtein";

/** The word of `candidates` that `word` was probably meant to be, or nothing where none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((candidate) => ({
    candidate,
    edits: distance(word.toLowerCase(), candidate.toLowerCase()),
  }));
  ranked.sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best && best.edits <= Math.max(2, word.length / 3) ? best.candidate : undefined;
}
