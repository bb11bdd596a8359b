/** What a {@link PersistentMap} may be keyed by: told apart by `===`, so an `Int64` must be in canonical form. */
export type PersistentKey = string | number | bigint;

const BITS = 5;
const MASK = (1 << BITS) - 1;

/** Marks the nodes that one batch of changes has made itself and may therefore change in place. */
class Owner {}

class Leaf<K, V> {
  readonly hash: number;
  readonly key: K;
  readonly value: V;

  constructor(hash: number, key: K, value: V) {
    this.hash = hash;
    this.key = key;
    this.value = value;
  }
}

/** Keys whose 32-bit hashes are equal. Always two or more. */
class Collision<K, V> {
  readonly hash: number;
  readonly leaves: readonly Leaf<K, V>[];

  constructor(hash: number, leaves: readonly Leaf<K, V>[]) {
    this.hash = hash;
    this.leaves = leaves;
  }
}

/** Up to 32 children; bit i of `bitmap` says that there is one for the hash bits i at this level. */
class Branch<K, V> {
  readonly owner: Owner | undefined;
  bitmap: number;
  readonly children: Node<K, V>[];

  constructor(owner: Owner | undefined, bitmap: number, children: Node<K, V>[]) {
    this.owner = owner;
    this.bitmap = bitmap;
    this.children = children;
  }
}

type Node<K, V> = Leaf<K, V> | Collision<K, V> | Branch<K, V>;

/**
 * An immutable map with structural sharing (a hash-array-mapped trie, 32 children a node). A map made of another by
 * some changes shares all but the changed paths with it, so that an image of the metadata is a snapshot for nothing and
 * a change costs O(log32 n). Iteration is in the order of the hashes: the same for the same keys, whatever order they
 * came in, but for keys whose hashes collide.
 */
export class PersistentMap<K extends PersistentKey, V> implements Iterable<[K, V]> {
  private static readonly none = new PersistentMap<never, never>(undefined, 0);

  readonly size: number;
  private readonly root: Node<K, V> | undefined;

  private constructor(root: Node<K, V> | undefined, size: number) {
    this.root = root;
    this.size = size;
  }

  static empty<K extends PersistentKey, V>(): PersistentMap<K, V> {
    return PersistentMap.none as unknown as PersistentMap<K, V>;
  }

  static from<K extends PersistentKey, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    return PersistentMap.empty<K, V>().mutate(draft => {
      for (const [key, value] of entries) draft.set(key, value);
    });
  }

  get(key: K): V | undefined {
    return findLeaf(this.root, key)?.value;
  }

  has(key: K): boolean {
    return findLeaf(this.root, key) !== undefined;
  }

  /** A map in which `key` holds `value`; this one if it does already. */
  set(key: K, value: V): PersistentMap<K, V> {
    return this.mutate(draft => draft.set(key, value));
  }

  /** A map without `key`; this one if it has none. */
  delete(key: K): PersistentMap<K, V> {
    return this.mutate(draft => draft.delete(key));
  }

  /** A map with many changes, made in place where nobody else can see them. */
  mutate(change: (draft: MapDraft<K, V>) => void): PersistentMap<K, V> {
    const draft = new MapDraft<K, V>(this.root, this.size);
    change(draft);
    const { root, size } = draft.finish();
    if (root === this.root) return this;
    return root === undefined ? PersistentMap.empty() : new PersistentMap(root, size);
  }

  *entries(): IterableIterator<[K, V]> {
    for (const leaf of leavesOf(this.root)) yield [leaf.key, leaf.value];
  }

  *keys(): IterableIterator<K> {
    for (const leaf of leavesOf(this.root)) yield leaf.key;
  }

  *values(): IterableIterator<V> {
    for (const leaf of leavesOf(this.root)) yield leaf.value;
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }
}

/** A map under change, alive only inside {@link PersistentMap.mutate}. */
export class MapDraft<K extends PersistentKey, V> {
  private owner: Owner | undefined = new Owner();
  private root: Node<K, V> | undefined;
  private count: number;

  constructor(root: Node<K, V> | undefined, size: number) {
    this.root = root;
    this.count = size;
  }

  get size(): number {
    return this.count;
  }

  get(key: K): V | undefined {
    return findLeaf(this.root, key)?.value;
  }

  has(key: K): boolean {
    return findLeaf(this.root, key) !== undefined;
  }

  set(key: K, value: V): void {
    const owner = this.openOwner();
    const leaf = findLeaf(this.root, key);
    if (leaf === undefined) this.count++;
    else if (leaf.value === value) return;
    const added = new Leaf(hashOf(key), key, value);
    this.root = this.root === undefined ? added : insert(owner, this.root, 0, added);
  }

  delete(key: K): boolean {
    const owner = this.openOwner();
    const leaf = findLeaf(this.root, key);
    if (leaf === undefined || this.root === undefined) return false;
    this.count--;
    this.root = remove(owner, this.root, 0, leaf);
    return true;
  }

  /** The result. The draft may not be changed afterwards. */
  finish(): { root: Node<K, V> | undefined; size: number } {
    this.owner = undefined;
    return { root: this.root, size: this.count };
  }

  private openOwner(): Owner {
    if (this.owner === undefined) throw new Error('a finished draft was changed');
    return this.owner;
  }
}

function findLeaf<K extends PersistentKey, V>(root: Node<K, V> | undefined, key: K): Leaf<K, V> | undefined {
  if (root === undefined) return undefined;
  const hash = hashOf(key);
  let node = root;
  for (let shift = 0; node instanceof Branch; shift += BITS) {
    const bit = 1 << ((hash >>> shift) & MASK);
    if ((node.bitmap & bit) === 0) return undefined;
    node = node.children[countBits(node.bitmap & (bit - 1))]!;
  }
  if (node.hash !== hash) return undefined;
  if (node instanceof Leaf) return node.key === key ? node : undefined;
  return node.leaves.find(leaf => leaf.key === key);
}

/** `node` with `added` in it, in the place of a leaf with the same key if there is one. */
function insert<K, V>(owner: Owner, node: Node<K, V>, shift: number, added: Leaf<K, V>): Node<K, V> {
  if (node instanceof Branch) {
    const bit = 1 << ((added.hash >>> shift) & MASK);
    const index = countBits(node.bitmap & (bit - 1));
    const own = owned(owner, node);
    if ((own.bitmap & bit) === 0) {
      own.bitmap |= bit;
      own.children.splice(index, 0, added);
    } else {
      own.children[index] = insert(owner, own.children[index]!, shift + BITS, added);
    }
    return own;
  }
  if (node.hash !== added.hash) return split(owner, node, shift, added);
  if (node instanceof Leaf) {
    return node.key === added.key ? added : new Collision(added.hash, [node, added]);
  }
  return new Collision(added.hash, [...node.leaves.filter(leaf => leaf.key !== added.key), added]);
}

/** Branches down to the first level at which two different hashes part. */
function split<K, V>(
  owner: Owner,
  node: Leaf<K, V> | Collision<K, V>,
  shift: number,
  added: Leaf<K, V>,
): Branch<K, V> {
  const a = (node.hash >>> shift) & MASK;
  const b = (added.hash >>> shift) & MASK;
  if (a === b) return new Branch(owner, 1 << a, [split(owner, node, shift + BITS, added)]);
  return new Branch(owner, (1 << a) | (1 << b), a < b ? [node, added] : [added, node]);
}

/** `node` without `leaf`, which is in it. A branch left with one leaf becomes that leaf. */
function remove<K, V>(
  owner: Owner,
  node: Node<K, V>,
  shift: number,
  leaf: Leaf<K, V>,
): Node<K, V> | undefined {
  if (node instanceof Leaf) return undefined;
  if (node instanceof Collision) {
    const rest = node.leaves.filter(other => other !== leaf);
    return rest.length === 1 ? rest[0]! : new Collision(node.hash, rest);
  }
  const bit = 1 << ((leaf.hash >>> shift) & MASK);
  const index = countBits(node.bitmap & (bit - 1));
  const child = remove(owner, node.children[index]!, shift + BITS, leaf);
  const own = owned(owner, node);
  if (child === undefined) {
    own.bitmap &= ~bit;
    own.children.splice(index, 1);
  } else {
    own.children[index] = child;
  }
  if (own.children.length === 0) return undefined;
  const only = own.children[0]!;
  return own.children.length === 1 && !(only instanceof Branch) ? only : own;
}

function owned<K, V>(owner: Owner, branch: Branch<K, V>): Branch<K, V> {
  return branch.owner === owner ? branch : new Branch(owner, branch.bitmap, branch.children.slice());
}

function* leavesOf<K, V>(node: Node<K, V> | undefined): IterableIterator<Leaf<K, V>> {
  if (node === undefined) return;
  const stack: Node<K, V>[] = [node];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top instanceof Leaf) {
      yield top;
      continue;
    }
    const parts: readonly Node<K, V>[] = top instanceof Branch ? top.children : top.leaves;
    for (let i = parts.length - 1; i >= 0; i--) stack.push(parts[i]!);
  }
}

function countBits(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x5555_5555);
  n = (n & 0x3333_3333) + ((n >>> 2) & 0x3333_3333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** 32 bits, unsigned. Strings by FNV-1a over their UTF-16 units, everything stirred at the end as murmur3 does. */
function hashOf(key: PersistentKey): number {
  let hash: number;
  if (typeof key === 'number' && (key | 0) === key) {
    hash = key | 0;
  } else {
    const text = typeof key === 'string' ? key : String(key);
    hash = 0x811c_9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
