/** The pause of a loop that can be cut short. For one loop: `wake` ends only the pause under way. */
export interface WakeableDelay {
  wait(ms: number): Promise<void>;
  wake(): void;
}

export function createWakeableDelay(): WakeableDelay {
  let wake = () => {};
  return {
    wait: (ms) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    wake: () => wake(),
  };
}
