// The tones of alarms, made of oscillators: there are no sound files.

const RATE = 44_100;
// Without these ramps, a note begins and ends with a click.
const ATTACK_S = 0.012;
const RELEASE_S = 0.04;
const PAUSE_S = 0.06;

// A tone is repeated every `seconds`. A note: start and length in seconds, frequency in hertz.
const TONES = {
  critical: {
    seconds: 2,
    level: 0.45,
    notes: [
      [0, 0.15, 988],
      [0.17, 0.15, 740],
      [0.34, 0.15, 988],
      [0.51, 0.15, 740],
      [0.68, 0.15, 988],
      [0.85, 0.15, 740],
    ],
  },
  major: {
    seconds: 4,
    level: 0.4,
    notes: [
      [0, 0.25, 784],
      [0.3, 0.25, 784],
      [0.6, 0.4, 659],
    ],
  },
  minor: {
    seconds: 8,
    level: 0.35,
    notes: [
      [0, 0.35, 523],
      [0.4, 0.35, 659],
    ],
  },
  // The connection to the hub: alarms can no longer be heard.
  lost: {
    seconds: 10,
    level: 0.35,
    notes: [
      [0, 0.4, 440],
      [0.45, 0.6, 330],
    ],
  },
};

const LOUD_LEVEL = 0.95;
const FIFTH = 1.5;

// The samples of one repetition, as a promise of an AudioBuffer.
// `name`: a severity or "lost". `isLoud`: the alarm has escalated.
export function render(name, isLoud = false) {
  const tone = isLoud ? escalate(TONES[name]) : TONES[name];
  const context = new OfflineAudioContext(1, Math.ceil(RATE * tone.seconds), RATE);
  for (const note of tone.notes) addNote(context, tone.level, note);
  return context.startRendering();
}

// Twice as loud, more often, and with a second part a fifth higher.
function escalate({ seconds, notes }) {
  const [start, length] = notes.at(-1);
  const end = start + length + PAUSE_S;
  const higher = notes.map(([at, long, hertz]) => [at + end, long, hertz * FIFTH]);
  return {
    seconds: Math.max(2 * end + PAUSE_S, seconds / 2),
    level: LOUD_LEVEL,
    notes: [...notes, ...higher],
  };
}

function addNote(context, level, [start, length, hertz]) {
  const oscillator = new OscillatorNode(context, { type: "triangle", frequency: hertz });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(level, start + ATTACK_S);
  volume.gain.setValueAtTime(level, start + length - RELEASE_S);
  volume.gain.linearRampToValueAtTime(0, start + length);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + length);
}
