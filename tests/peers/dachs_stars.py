"""Write a hundred thousand stars as CSV, the same every time."""

from __future__ import annotations

import random
import sys

random.seed(1)
out = sys.stdout
out.write("id,raj2000,dej2000,mag,name,pmra,flag\n")
for number in range(100_000):
    ra, dec, mag = random.uniform(0, 360), random.uniform(-90, 90), random.uniform(5, 20)
    out.write(f"{number},{ra:.8f},{dec:.8f},{mag:.3f},star-{number},{random.gauss(0, 10):.3f},{random.randint(0, 9)}\n")
