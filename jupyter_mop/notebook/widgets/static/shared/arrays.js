// Arrays of a widget's traits: bytes become typed arrays.

/** The bytes are a view into a larger buffer and may be unaligned, so they are copied. */
export function typedArray(Kind, { buffer, byteOffset, byteLength }) {
  return new Kind(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** A trait in which bytes are arrays of doubles. */
export function decodeArrays(value) {
  if (ArrayBuffer.isView(value)) return typedArray(Float64Array, value);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, decodeArrays(inner)]));
}
