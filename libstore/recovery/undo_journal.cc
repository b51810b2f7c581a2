#include "libstore/recovery/undo_journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "libstore/bytes/crc32.h"
#include "libstore/codec/sha256.h"
#include "libstore/format/store_lock.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"

namespace rmq::recovery {
namespace {

constexpr std::string_view kManifest = "manifest.ndjson";
constexpr std::string_view kBefore = "before.ndjson";
constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kPiece = 1 << 20;
constexpr std::int64_t kLargestManifest = std::int64_t{1} << 30;
constexpr std::int64_t kLargestKeptWhole = 64 << 20;  // of a file that is replaced
constexpr int kDeepest = 16;                          // directories below each other in a store

std::string flat_name(std::string path) {
  if (path.starts_with('/')) path.erase(0, 1);
  std::ranges::replace(path, '/', '_');
  return path;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(std::span<const std::byte> bytes) {
  std::string text(bytes.size(), '\0');
  std::ranges::transform(bytes, text.begin(), [](std::byte byte) { return static_cast<char>(byte); });
  return text;
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// FileSystem::replace leaves such a file when it is killed.
bool is_aside_of(std::string_view name, std::string_view of) {
  return name.starts_with('.') && name.ends_with(".new") && name.substr(1).starts_with(of) &&
         name.size() > of.size() + 1 && name[of.size() + 1] == '.';
}

bool is_missing(const Error& error) { return error.code == ErrorCode::not_found; }

Status list_below(const io::ReadFileSystem& files, const std::string& directory, const std::string& shown,
                  int depth, StoreListing& listing) {
  RMQ_TRY(entries, files.list(directory));
  for (const io::DirectoryEntry& entry : entries) {
    if (shown.empty() && (entry.name == kLostAndFound || entry.name == format::kStoreLockFileName)) continue;
    if (entry.name == kElsewhere) continue;
    const std::string path = io::join_path(directory, entry.name);
    const std::string relative = shown.empty() ? entry.name : io::join_path(shown, entry.name);
    if (entry.kind == io::EntryKind::directory) {
      if (depth >= kDeepest) return wrong_use(path + ": directories lie too deep");
      RMQ_CHECK(list_below(files, path, relative, depth + 1, listing));
    } else if (entry.kind == io::EntryKind::file) {
      listing.files[relative] = {entry.size, entry.modified_ms};
    }
  }
  return {};
}

std::string listing_as_json(const StoreListing& listing) {
  json::JsonLine out;
  for (const auto& [path, file] : listing.files) {
    out.begin_object();
    out.field("path", path);
    out.field("size", file.size);
    out.field("modifiedMs", file.modified_ms);
    out.end_object();
    out.end_line();
  }
  return std::string(out.text());
}

}  // namespace

std::string lost_and_found_directory(const io::ReadFileSystem& files, const std::string& root,
                                     std::int64_t now_ms) {
  const std::int64_t seconds = now_ms / 1000;
  const std::string time =
      fmt::format("{:%Y%m%dT%H%M%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds)), now_ms % 1000);
  const std::string first = io::join_path(io::join_path(root, kLostAndFound), time);
  std::string directory = first;
  for (int number = 2; files.stat(directory); ++number) directory = fmt::format("{}-{}", first, number);
  return directory;
}

std::string StoreListing::hash() const { return codec::sha256_hex(as_bytes(listing_as_json(*this))); }

Result<StoreListing> list_store(const io::ReadFileSystem& files, const std::string& root,
                                const std::vector<std::string>& others) {
  StoreListing listing;
  RMQ_CHECK(list_below(files, root, "", 0, listing));
  for (const std::string& other : others) {
    if (is_below(other, root)) continue;
    if (Status listed = list_below(files, other, other, 0, listing); !listed && !is_missing(listed.error()))
      return listed.error();
  }
  return listing;
}

// ---- keeping

class UndoJournal::KeptFile final : public io::WriteFile {
 public:
  KeptFile(UndoJournal& journal, std::unique_ptr<io::WriteFile> file, std::shared_ptr<Known> known)
      : journal_(journal), file_(std::move(file)), known_(std::move(known)) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    return file_->read_at(position, out);
  }
  std::int64_t size() const override { return file_->size(); }
  std::int64_t next_data(std::int64_t position) const override { return file_->next_data(position); }
  std::int64_t next_hole(std::int64_t position) const override { return file_->next_hole(position); }

  Status write_at(std::int64_t position, std::span<const std::byte> bytes) override {
    RMQ_CHECK(keep(position, std::ssize(bytes)));
    return file_->write_at(position, bytes);
  }
  using io::WriteFile::write_durable;
  Status write_durable(std::int64_t position, std::span<const std::span<const std::byte>> pieces) override {
    std::int64_t length = 0;
    for (const std::span<const std::byte> piece : pieces) length += std::ssize(piece);
    RMQ_CHECK(keep(position, length));
    return file_->write_durable(position, pieces);
  }
  Status write_zeros(std::int64_t position, std::int64_t length) override {
    RMQ_CHECK(keep(position, length));
    return file_->write_zeros(position, length);
  }
  Status sync() override { return file_->sync(); }
  Result<std::unique_ptr<io::WriteMap>> map(std::int64_t position, std::int64_t length) override {
    RMQ_CHECK(keep(position, length));  // stores into it are not seen
    return file_->map(position, length);
  }
  bool removed() const override { return file_->removed(); }

 private:
  Status keep(std::int64_t position, std::int64_t length) {
    return journal_.keep(*known_, *file_, position, position + length);
  }

  UndoJournal& journal_;
  std::unique_ptr<io::WriteFile> file_;
  std::shared_ptr<Known> known_;
};

UndoJournal::UndoJournal(io::FileSystem& files, UndoOptions options)
    : files_(files), options_(std::move(options)) {}

UndoJournal::~UndoJournal() = default;

Status UndoJournal::begin() {
  const std::lock_guard lock(mutex_);
  if (files_.stat(io::join_path(options_.directory, kManifest)))
    return wrong_use(options_.directory + " has a manifest already: it is kept for an undo");
  std::vector<std::string> made;
  for (std::string up = options_.directory; !files_.stat(up) && up.size() > 1; up = parent_of(up))
    made.push_back(up);
  RMQ_TRY(listing, list_store(files_, options_.root, options_.others));
  RMQ_CHECK(files_.make_directories(options_.directory));
  RMQ_CHECK(files_.replace(io::join_path(options_.directory, kBefore), as_bytes(listing_as_json(listing))));
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "begin");
  line.field("version", kVersion);
  line.field("root", options_.root);
  line.key("others");
  line.begin_array();
  for (const std::string& other : options_.others) line.value(other);
  line.end_array();
  line.field("purpose", options_.purpose);
  line.field("plan", options_.plan);
  line.key("madeDirectories");
  line.begin_array();
  for (const std::string& directory : made) line.value(directory);
  line.end_array();
  line.key("madeBefore");
  line.begin_array();
  for (const std::string& path : made_before_) line.value(named(path));
  line.end_array();
  line.end_object();
  line.end_line();
  RMQ_TRY(manifest, files_.create(io::join_path(options_.directory, kManifest), std::ssize(line.text()),
                                  as_bytes(line.text())));
  manifest_ = std::move(manifest);
  manifest_end_ = std::ssize(line.text());
  return {};
}

Status UndoJournal::end() {
  const std::lock_guard lock(mutex_);
  RMQ_TRY(listing, list_store(files_, options_.root, options_.others));
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "end");
  line.field("after", listing.hash());
  line.end_object();
  line.end_line();
  RMQ_CHECK(write_line(line.text()));
  manifest_.reset();
  return {};
}

bool UndoJournal::has_changed(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(path);
  return found != known_.end() && (found->second->made || found->second->touched);
}

Status UndoJournal::may_change() const {
  if (begun() && options_.cancelled && options_.cancelled())
    return Error{ErrorCode::cancelled, 0, "cancelled"};
  return {};
}

Status UndoJournal::write_line(std::string_view line) {
  const auto bytes = as_bytes(line);
  RMQ_CHECK(manifest_->write_durable(manifest_end_, bytes));
  manifest_end_ += std::ssize(bytes);
  return {};
}

// Relative to the store's root where it is below: the store may be moved as a whole.
std::string UndoJournal::named(const std::string& path) const {
  return is_below(path, options_.root) ? path.substr(options_.root.size() + 1) : path;
}

std::shared_ptr<UndoJournal::Known> UndoJournal::known(const std::string& path) {
  auto& entry = known_[path];
  if (!entry) {
    entry = std::make_shared<Known>();
    entry->path = path;
  }
  return entry;
}

Status UndoJournal::note_made(const std::string& path, bool directory) {
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "made");
  line.field("path", named(path));
  line.field("directory", directory);
  line.end_object();
  line.end_line();
  RMQ_CHECK(write_line(line.text()));
  auto& entry = known_[path];
  entry = std::make_shared<Known>();
  entry->path = path;
  entry->made = true;
  return {};
}

Status UndoJournal::note_made_with_parents(const std::string& path) {
  std::vector<std::string> missing;
  for (std::string up = parent_of(path); !files_.stat(up) && up.size() > 1; up = parent_of(up)) {
    const auto entry = known_.find(up);
    if (entry != known_.end() && entry->second->made) break;
    missing.push_back(up);
  }
  for (auto up = missing.rbegin(); up != missing.rend(); ++up) RMQ_CHECK(note_made(*up, true));
  return note_made(path, false);
}

Status UndoJournal::note_time(Known& known) {
  if (known.made || known.touched) return {};
  RMQ_TRY(was, files_.stat(known.path));
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "time");
  line.field("path", named(known.path));
  line.field("modifiedMs", was.modified_ms);
  line.end_object();
  line.end_line();
  RMQ_CHECK(write_line(line.text()));
  known.touched = true;
  return {};
}

std::string UndoJournal::free_name(const std::string& directory, const std::string& path,
                                   std::string_view suffix) {
  const std::string name = io::join_path(directory, flat_name(named(path)) + std::string(suffix));
  const int used = names_used_[name]++;
  return used == 0 ? name : fmt::format("{}~{}", name, used + 1);
}

Status UndoJournal::keep(Known& known, const io::ReadFile& file, std::int64_t from, std::int64_t to) {
  RMQ_CHECK(may_change());
  if (!begun()) return {};
  const std::lock_guard lock(mutex_);
  if (known.made || from >= to) return {};
  if (to > file.size()) return wrong_use(known.path + " would grow: that cannot be undone");
  RMQ_CHECK(note_time(known));
  std::int64_t at = from;
  std::int64_t merged_from = from;
  std::int64_t merged_to = to;
  auto range = known.kept.upper_bound(from);
  if (range != known.kept.begin() && std::prev(range)->second >= from) --range;
  while (range != known.kept.end() && range->first <= to) {
    if (range->first > at) RMQ_CHECK(keep_range(known, file, at, range->first));
    at = std::max(at, range->second);
    merged_from = std::min(merged_from, range->first);
    merged_to = std::max(merged_to, range->second);
    range = known.kept.erase(range);
  }
  if (at < to) RMQ_CHECK(keep_range(known, file, at, to));
  known.kept[merged_from] = merged_to;
  return {};
}

Status UndoJournal::keep_range(Known& known, const io::ReadFile& file, std::int64_t from, std::int64_t to) {
  std::unique_ptr<io::WriteFile> saved;
  std::string saved_path;
  std::uint32_t crc = 0;
  std::vector<std::byte> bytes;
  for (std::int64_t at = from; at < to; at += std::ssize(bytes)) {
    bytes.resize(static_cast<std::size_t>(std::min(kPiece, to - at)));
    RMQ_TRY(got, file.read_at(at, bytes));
    if (got < bytes.size()) return wrong_use(known.path + " became shorter");
    crc = crc32(bytes, crc);
    if (all_zero(bytes)) continue;
    if (!saved) {
      saved_path = free_name(options_.directory, known.path, fmt::format("@{}", from));
      const io::NewFile wanted{saved_path, to - from, {}};
      RMQ_CHECK(files_.create_sparse({&wanted, 1}).front());
      RMQ_TRY(opened, files_.open_for_write(saved_path));
      saved = std::move(opened);
    }
    RMQ_CHECK(saved->write_at(at - from, bytes));
  }
  if (saved) RMQ_CHECK(saved->sync());
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "bytes");
  line.field("path", named(known.path));
  line.field("offset", from);
  line.field("length", to - from);
  if (saved) line.field("saved", name_of(saved_path));  // else they were zeros
  line.field("crc32", fmt::format("{:08x}", crc));
  line.end_object();
  line.end_line();
  return write_line(line.text());
}

Result<std::unique_ptr<io::ReadFile>> UndoJournal::open(const std::string& path) const {
  return files_.open(path);
}
Result<std::vector<io::DirectoryEntry>> UndoJournal::list(const std::string& directory) const {
  return files_.list(directory);
}
Result<io::DirectoryEntry> UndoJournal::stat(const std::string& path) const { return files_.stat(path); }

Result<std::unique_ptr<io::WriteFile>> UndoJournal::open_for_write(const std::string& path) {
  RMQ_CHECK(may_change());
  RMQ_TRY(file, files_.open_for_write(path));
  const std::lock_guard lock(mutex_);
  return std::make_unique<KeptFile>(*this, std::move(file), known(path));
}

Result<std::unique_ptr<io::WriteFile>> UndoJournal::create(const std::string& path, std::int64_t size,
                                                           std::span<const std::byte> head) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (begun()) {
    if (files_.stat(path)) return os_error(EEXIST, "creating " + path);
    RMQ_CHECK(note_made(path, false));
  }
  RMQ_TRY(file, files_.create(path, size, head));
  return std::make_unique<KeptFile>(*this, std::move(file), known(path));
}

std::vector<Status> UndoJournal::create_sparse(std::span<const io::NewFile> files) {
  const std::lock_guard lock(mutex_);
  Status done = may_change();
  for (const io::NewFile& file : files) {
    if (!done || !begun()) break;
    if (!files_.stat(file.path)) done = note_made_with_parents(file.path);
  }
  if (!done) return std::vector<Status>(files.size(), done);
  return files_.create_sparse(files);
}

Status UndoJournal::sync_file_system(const std::string& path) { return files_.sync_file_system(path); }

Status UndoJournal::replace(const std::string& path, std::span<const std::byte> bytes) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (!begun()) return files_.replace(path, bytes);
  const auto entry = known(path);
  const auto was = files_.stat(path);
  if (!was) {
    RMQ_CHECK(note_made(path, false));
  } else if (!entry->made) {
    RMQ_CHECK(note_time(*entry));
    RMQ_TRY(old, io::read_all(files_, path, kLargestKeptWhole));
    const std::string saved = free_name(options_.directory, path, "@all");
    RMQ_CHECK(files_.replace(saved, old));
    json::JsonLine line;
    line.begin_object();
    line.field("undo", "content");
    line.field("path", named(path));
    line.field("saved", name_of(saved));
    line.field("crc32", fmt::format("{:08x}", crc32(old)));
    line.end_object();
    line.end_line();
    RMQ_CHECK(write_line(line.text()));
    entry->kept.clear();
  }
  return files_.replace(path, bytes);
}

Status UndoJournal::copy(const std::string& from, const std::string& to) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (begun()) {
    if (files_.stat(to)) return os_error(EEXIST, "copying " + from + " to " + to);
    RMQ_CHECK(note_made(to, false));
  }
  return files_.copy(from, to);
}

Status UndoJournal::make_directories(const std::string& path) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (begun()) {
    std::vector<std::string> missing;
    for (std::string up = path; !files_.stat(up) && up.size() > 1; up = parent_of(up)) missing.push_back(up);
    for (auto up = missing.rbegin(); up != missing.rend(); ++up) RMQ_CHECK(note_made(*up, true));
  }
  return files_.make_directories(path);
}

Status UndoJournal::move(const std::string& from, const std::string& to) {
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "moved");
  line.field("path", named(from));
  line.field("to", named(to));
  line.end_object();
  line.end_line();
  RMQ_CHECK(write_line(line.text()));
  RMQ_CHECK(files_.rename(from, to));
  auto entry = known_.extract(from);
  known_.erase(to);
  if (!entry.empty()) {
    entry.key() = to;
    entry.mapped()->path = to;
    known_.insert(std::move(entry));
  }
  return {};
}

Status UndoJournal::rename(const std::string& from, const std::string& to) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (!begun()) return files_.rename(from, to);
  if (files_.stat(to)) return os_error(EEXIST, "renaming " + from + " to " + to);
  return move(from, to);
}

Status UndoJournal::remove(const std::string& path) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (!begun()) return files_.remove(path);
  const auto entry = known_.find(path);
  if (entry != known_.end() && entry->second->made) return files_.remove(path);
  const std::vector<std::string> shelves = {
      options_.directory,
      io::join_path(io::join_path(options_.root, kLostAndFound), name_of(options_.directory)),
      io::join_path(io::join_path(parent_of(parent_of(path)), kElsewhere), name_of(options_.directory))};
  Status moved;
  for (const std::string& shelf : shelves) {
    if (shelf != options_.directory) {
      std::vector<std::string> missing;
      for (std::string up = shelf; !files_.stat(up) && up.size() > 1; up = parent_of(up))
        missing.push_back(up);
      for (auto up = missing.rbegin(); up != missing.rend(); ++up) RMQ_CHECK(note_made(*up, true));
      RMQ_CHECK(files_.make_directories(shelf));
    }
    moved = move(path, free_name(shelf, path, ""));
    if (moved || moved.error().os_errno != EXDEV) return moved;
  }
  return moved;
}

Status UndoJournal::set_modified(const std::string& path, std::int64_t modified_ms) {
  RMQ_CHECK(may_change());
  const std::lock_guard lock(mutex_);
  if (begun()) RMQ_CHECK(note_time(*known(path)));
  return files_.set_modified(path, modified_ms);
}

Result<std::unique_ptr<io::FileLock>> UndoJournal::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const bool was_there = files_.stat(path).has_value();
  RMQ_TRY(held, files_.lock(path));
  if (!was_there && !begun()) made_before_.push_back(path);
  return std::move(held);
}

Result<io::Space> UndoJournal::space(const std::string& directory) const { return files_.space(directory); }

// ---- undoing

namespace {

struct Entry {
  std::string kind;
  std::string path;
  std::string to;
  std::string saved;
  std::uint32_t crc = 0;
  std::int64_t offset = 0;
  std::int64_t length = 0;
  std::int64_t modified_ms = 0;
  bool directory = false;
};

struct Manifest {
  std::string root;
  std::vector<std::string> others;
  std::string purpose;
  std::string plan;
  std::vector<std::string> made_directories;
  std::vector<Entry> entries;
  std::string after;                   // hash of the listing when all was done; empty: it was not
  std::optional<std::size_t> undoing;  // the entry that an undo had come to
  std::int64_t size = 0;               // bytes of whole lines
};

Error damaged(const std::string& directory, std::string_view what) {
  return wrong_use(fmt::format("{}/{}: {}", directory, kManifest, what));
}

std::string string_of(const json::Value& line, std::string_view name) {
  const json::Value* const value = line.find(name);
  const std::string* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : *text;
}

std::int64_t number_of(const json::Value& line, std::string_view name) {
  const json::Value* const value = line.find(name);
  return value == nullptr ? -1 : value->as_int64().value_or(-1);
}

std::vector<std::string> strings_of(const json::Value& line, std::string_view name) {
  std::vector<std::string> texts;
  const json::Value* const value = line.find(name);
  const json::Array* const array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return texts;
  for (const json::Value& item : array->items)
    if (const std::string* text = item.if_string()) texts.push_back(*text);
  return texts;
}

bool goes_up(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

// Where the store lies now: with its lost+found, or where it was.
std::string root_now(const std::string& directory, const std::string& was) {
  const std::string above = parent_of(directory);
  return directory.starts_with('/') && name_of(above) == kLostAndFound ? parent_of(above) : was;
}

// Absolute; nothing where it leads out of the store and the directory of originals.
std::optional<std::string> place_of(const Manifest& manifest, const std::string& directory,
                                    const std::string& named) {
  if (named.empty() || goes_up(named)) return std::nullopt;
  if (!named.starts_with('/')) return io::join_path(manifest.root, named);
  const auto is_in = [&](const std::string& place) { return named == place || is_below(named, place); };
  const bool known = is_in(directory) || std::ranges::any_of(manifest.others, is_in) ||
                     std::ranges::any_of(manifest.others, [&](const std::string& other) {
                       return is_in(io::join_path(parent_of(other), kElsewhere));
                     });
  return known ? std::optional(named) : std::nullopt;
}

Result<Manifest> read_manifest(const io::ReadFileSystem& files, const std::string& directory) {
  const std::string path = io::join_path(directory, kManifest);
  RMQ_TRY(bytes, io::read_all(files, path, kLargestManifest));
  const std::string all = text_of(bytes);
  Manifest manifest;
  std::string_view rest = all;
  // A line that was torn by a kill has no end: what it was to tell had not begun.
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const auto line = json::parse(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    manifest.size += static_cast<std::int64_t>(end) + 1;
    if (!line) return damaged(directory, "a line is damaged: " + line.error().message());
    Entry entry;
    entry.kind = string_of(*line, "undo");
    if (manifest.root.empty()) {
      if (entry.kind != "begin" || number_of(*line, "version") != kVersion)
        return damaged(directory, "no manifest of this version");
      manifest.root = root_now(directory, string_of(*line, "root"));
      if (!manifest.root.starts_with('/')) return damaged(directory, "no store is named");
      manifest.others = strings_of(*line, "others");
      for (const std::string& other : manifest.others) {
        const auto place = files.stat(other);
        if (!other.starts_with('/') || goes_up(other) || (place && place->kind != io::EntryKind::directory))
          return damaged(directory, other + " is no directory of a store");
      }
      manifest.purpose = string_of(*line, "purpose");
      manifest.plan = string_of(*line, "plan");
      manifest.made_directories = strings_of(*line, "madeDirectories");
      for (const std::string& made : strings_of(*line, "madeBefore")) {
        const auto place = place_of(manifest, directory, made);
        if (!place) return damaged(directory, "a path leads out of the store");
        entry.kind = "made";
        entry.path = *place;
        manifest.entries.push_back(entry);
      }
      continue;
    }
    if (entry.kind == "end") {
      manifest.after = string_of(*line, "after");
      continue;
    }
    if (entry.kind == "undoing") {
      const std::int64_t number = number_of(*line, "entry");
      if (number < 0 || number >= std::ssize(manifest.entries)) return damaged(directory, "no such entry");
      manifest.undoing = static_cast<std::size_t>(number);
      continue;
    }
    const auto place = place_of(manifest, directory, string_of(*line, "path"));
    if (!place) return damaged(directory, "a path leads out of the store");
    entry.path = *place;
    if (entry.kind == "moved") {
      const auto to = place_of(manifest, directory, string_of(*line, "to"));
      if (!to) return damaged(directory, "a path leads out of the store");
      entry.to = *to;
    }
    entry.saved = string_of(*line, "saved");
    if (entry.saved.find('/') != std::string::npos) return damaged(directory, "a saved file lies elsewhere");
    entry.crc = static_cast<std::uint32_t>(std::strtoul(string_of(*line, "crc32").c_str(), nullptr, 16));
    entry.offset = number_of(*line, "offset");
    entry.length = number_of(*line, "length");
    entry.modified_ms = number_of(*line, "modifiedMs");
    const json::Value* const is_directory = line->find("directory");
    entry.directory = is_directory != nullptr && is_directory->as_bool().value_or(false);
    manifest.entries.push_back(std::move(entry));
  }
  if (manifest.root.empty()) return damaged(directory, "it is empty");
  return manifest;
}

std::string sentence(const Entry& entry) {
  if (entry.kind == "made") return fmt::format("{} goes: it was not there", entry.path);
  if (entry.kind == "moved") return fmt::format("{} comes back", entry.path);
  if (entry.kind == "bytes")
    return fmt::format("{}: bytes {} to {} as they were", entry.path, entry.offset,
                       entry.offset + entry.length);
  if (entry.kind == "content") return fmt::format("{}: its old content", entry.path);
  return fmt::format("{}: its time of modification", entry.path);
}

class Undoer {
 public:
  Undoer(io::FileSystem& files, std::string directory, Manifest manifest)
      : files_(files), directory_(std::move(directory)), manifest_(std::move(manifest)) {}

  // Was it written to by somebody else since?
  Status check_unchanged() {
    if (manifest_.undoing) return {};  // it was checked when the undo began
    RMQ_TRY(now, list_store(files_, manifest_.root, manifest_.others));
    if (!manifest_.after.empty()) {
      if (now.hash() == manifest_.after) return {};
      return changed("files have other sizes or times than when it was finished");
    }
    // Unfinished: what the manifest does not tell must be as it was.
    RMQ_TRY(before, read_before());
    const auto relative = [&](const std::string& path) {
      return is_below(path, manifest_.root) ? path.substr(manifest_.root.size() + 1) : path;
    };
    for (const Entry& entry : manifest_.entries) {
      for (const std::string& path : {relative(entry.path), relative(entry.to)}) {
        now.files.erase(path);
        before.files.erase(path);
        if (entry.kind != "moved") continue;
        const auto went_along = [&](const auto& file) { return is_below(file.first, path); };  // a directory
        std::erase_if(now.files, went_along);
        std::erase_if(before.files, went_along);
      }
      if (entry.kind != "made" && entry.kind != "content") continue;
      std::erase_if(now.files, [&](const auto& file) {
        return parent_of(file.first) == parent_of(relative(entry.path)) &&
               is_aside_of(name_of(file.first), name_of(entry.path));
      });
    }
    if (now == before) return {};
    for (const auto& [path, file] : now.files) {
      const auto was = before.files.find(path);
      if (was == before.files.end()) return changed(path + " is new");
      if (was->second != file) return changed(path + " has another size or time");
    }
    return changed("a file is missing");
  }

  Status run() {
    RMQ_TRY(manifest, files_.open_for_write(io::join_path(directory_, kManifest)));
    std::int64_t end = manifest_.size;
    std::size_t left = manifest_.undoing ? *manifest_.undoing + 1 : manifest_.entries.size();
    for (; left > 0; --left) {
      // So that a second undo does not begin behind what this one has put back.
      const std::string line = fmt::format("{{\"undo\":\"undoing\",\"entry\":{}}}\n", left - 1);
      RMQ_CHECK(manifest->write_durable(end, as_bytes(line)));
      end += std::ssize(line);
      RMQ_CHECK(take_back(manifest_.entries[left - 1]));
    }
    manifest.reset();
    return clean_up();
  }

 private:
  Error changed(const std::string& what) const {
    return wrong_use(
        fmt::format("{} was written to since ({}): an undo would lose that", manifest_.root, what));
  }

  Result<StoreListing> read_before() {
    RMQ_TRY(bytes, io::read_all(files_, io::join_path(directory_, kBefore), kLargestManifest));
    StoreListing listing;
    const std::string all = text_of(bytes);
    std::string_view rest = all;
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      const auto line = json::parse(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      if (!line) return damaged(directory_, "the list of files is damaged");
      listing.files[string_of(*line, "path")] = {number_of(*line, "size"), number_of(*line, "modifiedMs")};
    }
    return listing;
  }

  Status take_back(const Entry& entry) {
    if (entry.kind == "made") return unmake(entry);
    if (entry.kind == "moved") {
      if (!files_.stat(entry.to) || files_.stat(entry.path)) return {};
      return files_.rename(entry.to, entry.path);
    }
    if (entry.kind == "time") {
      if (!files_.stat(entry.path)) return {};
      RMQ_TRY(file, files_.open_for_write(entry.path));
      RMQ_CHECK(files_.set_modified(entry.path, entry.modified_ms));
      return file->sync();
    }
    if (entry.kind == "content") {
      RMQ_TRY(old, io::read_all(files_, io::join_path(directory_, entry.saved), kLargestKeptWhole));
      if (crc32(old) != entry.crc) return damaged(directory_, entry.saved + " is damaged");
      RMQ_CHECK(remove_asides(entry.path));
      return files_.replace(entry.path, old);
    }
    if (entry.kind == "bytes") return put_back(entry);
    return damaged(directory_, "it has an unknown line: " + entry.kind);
  }

  Status unmake(const Entry& entry) {
    if (!entry.directory) RMQ_CHECK(remove_asides(entry.path));
    const Status gone = files_.remove(entry.path);
    if (gone || is_missing(gone.error())) return {};
    // What somebody else put into a directory that was made stays.
    if (entry.directory && (gone.error().os_errno == ENOTEMPTY || gone.error().os_errno == EEXIST)) return {};
    return gone;
  }

  Status remove_asides(const std::string& path) {
    const auto entries = files_.list(parent_of(path));
    if (!entries) return {};
    for (const io::DirectoryEntry& entry : *entries)
      if (is_aside_of(entry.name, name_of(path)))
        RMQ_CHECK(files_.remove(io::join_path(parent_of(path), entry.name)));
    return {};
  }

  Status put_back(const Entry& entry) {
    RMQ_TRY(file, files_.open_for_write(entry.path));
    if (entry.offset < 0 || entry.length < 0 || entry.offset > file->size() - entry.length)
      return damaged(directory_, entry.path + " is shorter than what is kept of it");
    std::unique_ptr<io::ReadFile> saved;
    if (!entry.saved.empty()) {
      RMQ_TRY(opened, files_.open(io::join_path(directory_, entry.saved)));
      saved = std::move(opened);
    }
    std::vector<std::byte> bytes;
    std::vector<std::byte> there;
    for (std::int64_t at = 0; at < entry.length; at += kPiece) {
      bytes.assign(static_cast<std::size_t>(std::min(kPiece, entry.length - at)), std::byte{0});
      if (saved) {
        RMQ_TRY(got, saved->read_at(at, bytes));
        if (got < bytes.size()) return damaged(directory_, entry.saved + " is too short");
      }
      there.resize(bytes.size());
      RMQ_TRY(got, file->read_at(entry.offset + at, there));
      if (got == bytes.size() && there == bytes) continue;  // holes stay holes
      RMQ_CHECK(file->write_at(entry.offset + at, bytes));
    }
    return file->sync();
  }

  Status clean_up() {
    RMQ_TRY(entries, files_.list(directory_));
    for (const io::DirectoryEntry& entry : entries) {
      const bool saved =
          std::ranges::any_of(manifest_.entries, [&](const Entry& one) { return one.saved == entry.name; });
      const bool leftover =
          entry.kind == io::EntryKind::file &&
          (entry.name.find('@') != std::string::npos || entry.name == kBefore || entry.name == kUndoPlan ||
           is_aside_of(entry.name, kBefore) || is_aside_of(entry.name, kUndoPlan));
      if (saved || leftover) RMQ_CHECK(files_.remove(io::join_path(directory_, entry.name)));
    }
    RMQ_CHECK(files_.remove(io::join_path(directory_, kManifest)));
    for (const std::string& made : manifest_.made_directories) {
      // From the innermost to the outermost, unless there is something else in it.
      if (made == directory_ || is_below(directory_, made)) (void)files_.remove(made);
    }
    return {};
  }

  io::FileSystem& files_;
  std::string directory_;
  Manifest manifest_;
};

}  // namespace

Result<UndoSummary> read_undo(const io::ReadFileSystem& files, const std::string& directory) {
  RMQ_TRY(manifest, read_manifest(files, directory));
  constexpr std::size_t kMostSentences = 100;
  UndoSummary summary{manifest.root,
                      manifest.purpose,
                      manifest.plan,
                      !manifest.after.empty(),
                      std::ssize(manifest.entries),
                      {}};
  for (const Entry& entry : manifest.entries) {
    if (entry.kind == "time") continue;
    if (summary.sentences.size() < kMostSentences) summary.sentences.push_back(sentence(entry));
  }
  return summary;
}

Status undo(io::FileSystem& files, const std::string& directory) {
  RMQ_TRY(manifest, read_manifest(files, directory));
  Undoer undoer(files, directory, std::move(manifest));
  RMQ_CHECK(undoer.check_unchanged());
  return undoer.run();
}

std::vector<std::string> unfinished_undos(const io::ReadFileSystem& files, const std::string& root,
                                          std::string_view plan) {
  std::vector<std::string> unfinished;
  const std::string all = io::join_path(root, kLostAndFound);
  const auto entries = files.list(all);
  if (!entries) return unfinished;
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.kind != io::EntryKind::directory) continue;
    const std::string directory = io::join_path(all, entry.name);
    const auto manifest = read_manifest(files, directory);
    if (manifest && manifest->after.empty() && manifest->plan == plan) unfinished.push_back(directory);
  }
  return unfinished;
}

}  // namespace rmq::recovery
