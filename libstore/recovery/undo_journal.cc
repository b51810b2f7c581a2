#include "libstore/recovery/undo_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo_manifest.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kPiece = 1 << 20;

constexpr std::size_t kLongestName = 200;  // file systems take 255 bytes; suffixes and a ".tmp" follow

// Of a name too long for a file the middle is left out: the manifest tells the path.
std::string flat_name(std::string path) {
  if (path.starts_with('/')) path.erase(0, 1);
  const std::uint32_t sum = crc32(as_bytes(path));
  std::ranges::replace(path, '/', '_');
  if (path.size() <= kLongestName) return path;
  const auto is_inside_character = [&](std::size_t at) {
    return (static_cast<unsigned char>(path[at]) & 0xC0U) == 0x80U;
  };
  constexpr std::size_t kSide = 80;
  std::size_t from = kSide;
  std::size_t to = path.size() - kSide;
  while (from > 0 && is_inside_character(from)) --from;
  while (to < path.size() && is_inside_character(to)) ++to;
  return fmt::format("{}~{:08x}~{}", path.substr(0, from), sum, path.substr(to));
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// The path and those above it that are not there, from the innermost on.
std::vector<std::string> missing_directories(const io::ReadFileSystem& files, const std::string& path) {
  std::vector<std::string> missing;
  for (std::string up = path; !files.stat(up) && up.size() > 1; up = io::parent_of(up)) missing.push_back(up);
  return missing;
}

}  // namespace

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
  if (files_.stat(io::join_path(options_.directory, kUndoManifest)))
    return wrong_use(options_.directory + " has a manifest already: it is kept for an undo");
  const std::vector<std::string> made = missing_directories(files_, options_.directory);
  RMQ_TRY(listing, list_store(files_, options_.root, options_.others));
  RMQ_CHECK(files_.make_directories(options_.directory));
  RMQ_CHECK(files_.replace(io::join_path(options_.directory, kUndoBefore), as_bytes(listing.as_json())));
  json::JsonLine line;
  line.begin_object();
  line.field("undo", "begin");
  line.field("version", kUndoVersion);
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
  RMQ_TRY(manifest, files_.create(io::join_path(options_.directory, kUndoManifest), std::ssize(line.text()),
                                  as_bytes(line.text())));
  manifest_ = std::move(manifest);
  manifest_end_ = std::ssize(line.text());
  return {};
}

Status UndoJournal::end() {
  const std::lock_guard lock(mutex_);
  RMQ_TRY(listing, list_store(files_, options_.root, options_.others));
  RMQ_CHECK(note("end", [&](json::JsonLine& line) { line.field("after", listing.hash()); }));
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

Status UndoJournal::note(std::string_view what, const std::function<void(json::JsonLine&)>& members) {
  json::JsonLine line;
  line.begin_object();
  line.field("undo", what);
  members(line);
  line.end_object();
  line.end_line();
  const auto bytes = as_bytes(line.text());
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
  RMQ_CHECK(note("made", [&](json::JsonLine& line) {
    line.field("path", named(path));
    line.field("directory", directory);
  }));
  auto& entry = known_[path];
  entry = std::make_shared<Known>();
  entry->path = path;
  entry->made = true;
  return {};
}

// Those that are missing, the path itself included, from the outermost on.
Status UndoJournal::note_made_directories(const std::string& path) {
  std::vector<std::string> missing = missing_directories(files_, path);
  // Of several files that are made at once some share directories.
  std::erase_if(missing, [&](const std::string& up) {
    const auto entry = known_.find(up);
    return entry != known_.end() && entry->second->made;
  });
  for (auto up = missing.rbegin(); up != missing.rend(); ++up) RMQ_CHECK(note_made(*up, true));
  return {};
}

Status UndoJournal::note_time(Known& known) {
  if (known.made || known.touched) return {};
  RMQ_TRY(was, files_.stat(known.path));
  RMQ_CHECK(note("time", [&](json::JsonLine& line) {
    line.field("path", named(known.path));
    line.field("modifiedMs", was.modified_ms);
  }));
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
  return note("bytes", [&](json::JsonLine& line) {
    line.field("path", named(known.path));
    line.field("offset", from);
    line.field("length", to - from);
    if (saved) line.field("saved", io::name_of(saved_path));  // else they were zeros
    line.field("crc32", fmt::format("{:08x}", crc));
  });
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
    if (files_.stat(file.path)) continue;
    done = note_made_directories(io::parent_of(file.path));
    if (done) done = note_made(file.path, false);
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
    RMQ_CHECK(note("content", [&](json::JsonLine& line) {
      line.field("path", named(path));
      line.field("saved", io::name_of(saved));
      line.field("crc32", fmt::format("{:08x}", crc32(old)));
    }));
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
  if (begun()) RMQ_CHECK(note_made_directories(path));
  return files_.make_directories(path);
}

Status UndoJournal::move(const std::string& from, const std::string& to) {
  RMQ_CHECK(note("moved", [&](json::JsonLine& line) {
    line.field("path", named(from));
    line.field("to", named(to));
  }));
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
      io::join_path(io::join_path(options_.root, kLostAndFound), io::name_of(options_.directory)),
      io::join_path(io::join_path(io::parent_of(io::parent_of(path)), kLostAndFoundElsewhere),
                    io::name_of(options_.directory))};
  Status moved;
  for (const std::string& shelf : shelves) {
    if (shelf != options_.directory) {
      RMQ_CHECK(note_made_directories(shelf));
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

}  // namespace rmq::recovery
