#include "tools/cli/copy_store.h"

#include <filesystem>
#include <map>

#include "libstore/format/store_lock.h"
#include "libstore/recovery/store_listing.h"

namespace rmq::cli {
namespace {

class Copier {
 public:
  Copier(io::FileSystem& files, const scan::StoreSurvey& survey, std::string target,
         const std::function<bool()>& cancelled)
      : files_(files), survey_(survey), target_(std::move(target)), cancelled_(cancelled) {}

  Status run() {
    RMQ_CHECK(copy_directory(survey_.root, target_, 0));
    const scan::StoreConfig& config = survey_.config;
    const auto part = [&](const std::string& directory, const char* name) {
      return directory.empty() ? Status{} : copy_directory(directory, io::join_path(target_, name), 1);
    };
    for (const std::string& directory : config.commit_log_directories)
      RMQ_CHECK(part(directory, "commitlog"));
    RMQ_CHECK(part(config.consume_queue_directory, "consumequeue"));
    RMQ_CHECK(part(config.index_directory, "index"));
    return part(config.config_directory, "config");
  }

 private:
  Status copy_directory(const std::string& from, const std::string& to, int depth) {
    constexpr int kDeepest = 16;
    if (depth > kDeepest) return wrong_use(from + ": directories lie too deep");
    RMQ_TRY(entries, files_.list(from));
    RMQ_CHECK(files_.make_directories(to));
    for (const io::DirectoryEntry& entry : entries) {
      if (cancelled_()) return Error{ErrorCode::cancelled, 0, "cancelled"};
      if (depth == 0 && (entry.name == recovery::kLostAndFound || entry.name == format::kStoreLockFileName))
        continue;
      const std::string source = io::join_path(from, entry.name);
      const std::string copy = io::join_path(to, entry.name);
      if (source == target_) continue;
      if (entry.kind == io::EntryKind::directory) RMQ_CHECK(copy_directory(source, copy, depth + 1));
      // Parts that were given besides may lie below the root as well.
      if (entry.kind == io::EntryKind::file && !files_.stat(copy)) RMQ_CHECK(files_.copy(source, copy));
    }
    return {};
  }

  io::FileSystem& files_;
  const scan::StoreSurvey& survey_;
  std::string target_;
  const std::function<bool()>& cancelled_;
};

}  // namespace

Status copy_store(io::FileSystem& files, const scan::StoreSurvey& survey, const std::string& target,
                  const std::function<bool()>& cancelled) {
  const auto there = files.list(target);
  if (there && !there->empty()) return wrong_use("--out: " + target + " is not empty");
  if (!there && there.error().code != ErrorCode::not_found) return there.error();
  Status done = Copier(files, survey, target, cancelled).run();
  if (done) return done;
  std::error_code fault;
  std::filesystem::remove_all(target, fault);
  return done;
}

}  // namespace rmq::cli
