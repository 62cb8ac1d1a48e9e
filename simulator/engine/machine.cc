#include "simulator/engine/machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"
#include "simulator/engine/dma_engine.h"
#include "simulator/engine/gaudi2_mme_engine.h"
#include "simulator/engine/mme_engine.h"
#include "simulator/engine/tpc_engine.h"

namespace openhpu::simulator {
namespace {

namespace qman = hal::abi::gaudi::qman;

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
constexpr AgentId kAgentsPerUnit = 6;  // an engine and five CPs

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const hal::Chip& chip,
                                                         const Options& options,
                                                         CompletionListener& completions) {
  ASSIGN_OR_RETURN(std::unique_ptr<MachineMemory> memory, MachineMemory::Create(chip));
  std::unique_ptr<Machine> machine(new Machine);
  const SimulationContext::Door door(machine->context_);
  Environment& environment = machine->environment_;
  environment.timing = MakeTiming(chip, options.timed);
  environment.exact_arithmetic = options.exact_arithmetic;
  environment.most_steps = options.most_steps;
  environment.memory = std::move(memory);
  const hal::AddressMap& map = chip.address_map();
  const hal::AddressRange dram = hal::UserDram(chip);
  environment.dram_user_begin = DeviceAddress(dram.begin);
  environment.dram_end = DeviceAddress(dram.begin + dram.bytes);
  environment.dram_begin = DeviceAddress(dram.begin + dram.bytes - map.dram_bytes().value());
  environment.sram_begin = DeviceAddress(map.sram_base().value());
  environment.sram_user_begin =
      DeviceAddress(map.sram_base().value() + map.sram_reserved_bytes().value());
  environment.sram_end = DeviceAddress(map.sram_base().value() + map.sram_bytes().value());
  if (options.hazards) {
    const uint64_t units =
        chip.dma().count().value() + chip.mme().count().value() + chip.tpc().count().value();
    environment.hazards =
        std::make_unique<HazardChecker>(static_cast<uint32_t>(1 + kAgentsPerUnit * units));
  }
  machine->Build(chip, completions);
  // Elaboration ends with the first run.
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  return machine;
}

Machine::~Machine() {
  const SimulationContext::Door door(context_);
  units_.clear();
  streams_.clear();
  sync_managers_.clear();
  injector_.reset();
  fabric_.reset();
  network_.reset();
}

void Machine::Build(const hal::Chip& chip, CompletionListener& completions) {
  chip_ = chip;
  dialect_ = &DialectOf(chip);
  registers_ =
      RegisterMap(chip.address_map().cfg_base().value(), chip.address_map().cfg_bytes().value());
  network_ = std::make_unique<MessageNetwork>("messages", environment_,
                                              static_cast<MessageTarget&>(*this));
  injector_ = std::make_unique<FaultInjector>("faults", static_cast<FaultTarget&>(*this));
  fabric_ = std::make_unique<Fabric>("fabric", environment_, chip);
  environment_.network = network_.get();
  environment_.fabric = fabric_.get();
  kernels_ = std::make_unique<KernelStore>(environment_, chip.name());
  const Blueprint plan = DrawBlueprint(chip);
  timestamp_base_ = plan.timestamp_base;
  AddSyncManagers(plan);
  for (const Blueprint::Unit& unit : plan.units) AddUnit(unit, completions);
  AddIdleBlocks(plan);
}

void Machine::AddSyncManagers(const Blueprint& plan) {
  for (uint64_t i = 0; i < chip_.sync().count().value(); ++i) {
    SyncManager::Config config;
    config.dialect = dialect_;
    config.index = static_cast<int>(i);
    config.sobs = static_cast<uint32_t>(chip_.sync().sobs().value());
    config.monitors = static_cast<uint32_t>(chip_.sync().monitors().value());
    config.queues = static_cast<uint32_t>(chip_.sync().completion_queues().value());
    if (config.index == plan.kernels_sync_manager) {
      config.first_user_sob = static_cast<uint32_t>(chip_.sync().first_user_sob().value());
      config.first_user_monitor = static_cast<uint32_t>(chip_.sync().first_user_monitor().value());
      config.first_user_queue =
          static_cast<uint32_t>(chip_.sync().first_user_completion_queue().value());
    }
    sync_managers_.push_back(
        std::make_unique<SyncManager>(absl::StrCat("sync", i).c_str(), environment_, config));
  }
  for (const Blueprint::Block& block : plan.sync_blocks) {
    registers_.Add(block.base, block.bytes, block.block, block.index);
  }
}

std::unique_ptr<Engine> Machine::MakeEngine(const Blueprint::Unit& plan) {
  Engine::Config config;
  config.name = plan.name;
  config.block = plan.block;
  config.base = plan.engine_base;
  config.launch_register = plan.launch_register;
  config.agent = static_cast<AgentId>(1 + kAgentsPerUnit * units_.size());
  const char* const name = config.name.c_str();
  switch (plan.kind) {
    case Blueprint::Kind::kDma: {
      const hal::Dma& dma = chip_.dma();
      config.slots = static_cast<uint32_t>(dma.shadow_descriptors().value());
      config.launch_bit = false;
      const uint64_t efficiency =
          dma.has_efficiency_permille() ? dma.efficiency_permille().value() : 1000;
      config.port = fabric_->AddPort(dma.bytes_per_cycle().value(), dma.clock_mhz().value(),
                                     plan.corner, efficiency);
      return std::make_unique<DmaEngine>(name, environment_, config, dma.bytes_per_cycle().value(),
                                         dma.transpose_bytes_per_cycle().value());
    }
    case Blueprint::Kind::kMme: {
      const hal::Mme& mme = chip_.mme();
      config.slots = static_cast<uint32_t>(mme.shadow_descriptors().value());
      config.port =
          fabric_->AddPort(mme.bytes_per_cycle().value(), mme.clock_mhz().value(), plan.corner);
      if (plan.block == RegisterBlock::kGaudi2Mme) {
        return std::make_unique<Gaudi2MmeEngine>(name, environment_, config, mme);
      }
      return std::make_unique<MmeEngine>(name, environment_, config);
    }
    case Blueprint::Kind::kTpc:
      break;
  }
  const hal::Tpc& tpc = chip_.tpc();
  config.slots = 2;  // the running box and the one latched behind it
  config.port =
      fabric_->AddPort(tpc.bytes_per_cycle().value(), tpc.clock_mhz().value(), plan.corner);
  return std::make_unique<TpcEngine>(name, environment_, config, *kernels_);
}

void Machine::AddUnit(const Blueprint::Unit& plan, CompletionListener& completions) {
  EngineUnit unit;
  unit.engine = MakeEngine(plan);
  QueueManager::Config config;
  config.dialect = dialect_;
  config.name = plan.name;
  config.base = plan.qman_base;
  const auto& lengths = chip_.qman();
  config.entries = static_cast<uint32_t>(plan.external ? lengths.pq_entries_external().value()
                                         : plan.kind == Blueprint::Kind::kDma
                                             ? lengths.pq_entries_dma().value()
                                             : lengths.pq_entries_compute().value());
  config.external = plan.external;
  config.linear_dma = plan.kind == Blueprint::Kind::kDma;
  config.message_bases = plan.message_bases;
  config.first_agent = unit.engine->config().agent + 1;
  unit.queue = std::make_unique<QueueManager>(absl::StrCat(config.name, "_queues").c_str(),
                                              environment_, config, *unit.engine, completions);
  const auto index = static_cast<uint16_t>(units_.size());
  registers_.Add(plan.qman_base, kRegisterBlockBytes, dialect_->qman_block, index);
  registers_.Add(plan.engine_base, kRegisterBlockBytes, plan.block, index);
  streams_.resize(
      std::max<size_t>(streams_.size(), plan.first_queue + size_t{QueueManager::kStreams}));
  for (int stream = 0; stream < QueueManager::kStreams; ++stream) {
    streams_[plan.first_queue + stream] = {unit.queue.get(), stream};
  }
  units_.push_back(std::move(unit));
}

void Machine::Deliver(const Message& message) {
  if (registers_.Holds(message.address)) {
    DeliverToRegister(message);
  } else {
    WriteMemory(message);
  }
}

void Machine::DeliverToRegister(const Message& message) {
  if (message.timestamp) {
    // A register takes what fits.
    Message time = message;
    time.timestamp = false;
    time.value = static_cast<uint32_t>(message.sent.value() / kPicosecondsPerNanosecond);
    DeliverToRegister(time);
    return;
  }
  const RegisterMap::Place place = registers_.Find(message.address);
  if (IsSyncObjects(place.block)) {
    sync_managers_[place.index]->Write(place.offset, message);
  } else if (IsQueueManager(place.block) && place.index < units_.size()) {
    units_[place.index].queue->Write(place.offset, message);
  } else {
    environment_.faults.Raise(hal::HealthEvent::Kind::kRazwi, message.origin,
                              absl::StrCat("write to address 0x", absl::Hex(message.address),
                                           " of the configuration space, which is not the user's"),
                              message.address);
  }
}

void Machine::WriteMemory(const Message& message) {
  const DeviceAddress address(message.address);
  const uint64_t bytes = message.timestamp ? sizeof(uint64_t) : sizeof(uint32_t);
  const absl::StatusOr<std::byte*> host = ResolveForUser(environment_, address, bytes);
  if (!host.ok()) {
    environment_.faults.Raise(hal::HealthEvent::Kind::kPageFault, message.origin,
                              absl::StrCat("message: ", std::string(host.status().message())),
                              message.address);
    return;
  }
  const uint64_t time = message.sent.value() / kPicosecondsPerNanosecond;
  std::memcpy(*host, message.timestamp ? static_cast<const void*>(&time) : &message.value, bytes);
  environment_.memory->Touch(address, bytes);
}

absl::StatusOr<Machine::Stream> Machine::FindStream(uint64_t queue_id) const {
  if (queue_id < streams_.size() && streams_[queue_id].queue != nullptr) return streams_[queue_id];
  return absl::InvalidArgumentError(
      absl::StrCat("queue ", queue_id, ": ", WhyNoQueue(chip_, queue_id)));
}

std::string Machine::DescribeFence(const QueueManager& queue, int cp, int fence) const {
  const uint64_t address = queue.config().base + dialect_->fence_add(fence, cp);
  std::string text;
  for (const auto& manager : sync_managers_) {
    for (uint32_t i = 0; i < manager->monitors().size(); ++i) {
      if (manager->monitors()[i].address != address) continue;
      absl::StrAppend(&text, text.empty() ? "; served by " : ", ", manager->DescribeMonitor(i));
    }
  }
  return text.empty() ? "; no monitor serves it" : text;
}

std::string Machine::DescribeStuck() const {
  std::string text;
  for (const EngineUnit& unit : units_) {
    const auto line = [&] { absl::StrAppend(&text, text.empty() ? "" : "\n"); };
    for (uint64_t submission : unit.queue->lost_completions()) {
      line();
      absl::StrAppend(&text, unit.queue->config().name, ": no completion of submission ",
                      submission, " was heard of");
    }
    if (unit.engine->hangs() && !unit.engine->idle()) {
      line();
      absl::StrAppend(&text, unit.engine->config().name, ": the command of ",
                      Describe(unit.engine->current()), " does not end");
    }
    for (int i = 0; i < qman::kNumCps; ++i) {
      const CommandProcessor& cp = unit.queue->cp(i);
      const std::string why = cp.Stuck();
      if (why.empty()) continue;
      absl::StrAppend(&text, text.empty() ? "" : "\n", unit.queue->config().name, " stream ",
                      cp.origin().stream, i == qman::kLowerCp ? " body " : " ", why);
      if (cp.blocked_fence() >= 0) {
        absl::StrAppend(&text, DescribeFence(*unit.queue, i, cp.blocked_fence()));
      }
    }
  }
  return text;
}

bool Machine::hangs() const {
  for (const EngineUnit& unit : units_) {
    if (unit.engine->hangs() && !unit.engine->idle()) return true;
  }
  return false;
}

bool Machine::lost_completions() const {
  for (const EngineUnit& unit : units_) {
    if (!unit.queue->lost_completions().empty()) return true;
  }
  return false;
}

bool Machine::quiet() const {
  if (!network_->idle()) return false;
  for (const EngineUnit& unit : units_) {
    if (!unit.engine->idle()) return false;
    for (int i = 0; i < qman::kNumCps; ++i) {
      if (unit.queue->cp(i).jobs() != 0) return false;
    }
  }
  return true;
}

void Machine::PruneHazards() {
  HazardChecker& hazards = *environment_.hazards;
  if (quiet()) {
    // Whatever starts now starts by the host.
    const VectorClock host = hazards.clock(kHostAgent);
    for (AgentId agent = 1; agent < 1 + kAgentsPerUnit * units_.size(); ++agent) {
      hazards.Acquire(agent, host);
    }
  }
  hazards.Prune();
}

void Machine::NoteUnmapping() {
  for (EngineUnit& unit : units_) {
    for (int i = 0; i <= QueueManager::kStreams; ++i) unit.queue->cp(i).NoteUnmapping();
  }
}

void Machine::Reset() {
  network_->Clear();
  injector_->Clear();
  environment_.clock.Set(1000, context_.now());
  fabric_->Clear();
  for (auto& manager : sync_managers_) manager->Reset();
  for (EngineUnit& unit : units_) {
    unit.engine->Reset();
    unit.queue->Reset();
  }
  for (IdleBlock& idle : idle_blocks_) ResetRegisters(idle.block, idle.values);
  kernels_->Clear();
  if (environment_.hazards != nullptr) environment_.hazards->Clear();
  environment_.faults.Clear();
}

void Machine::SetTrace(TraceSink* sink) {
  environment_.trace = sink;
  if (sink == nullptr) return;
  for (EngineUnit& unit : units_) {
    for (int i = 0; i < qman::kNumCps; ++i) unit.queue->cp(i).SetTrace();
  }
  for (EngineUnit& unit : units_) unit.engine->SetTrace();
  fabric_->SetTrace();
}

void Machine::ResetStatistics() {
  for (EngineUnit& unit : units_) {
    unit.engine->ResetStatistics();
    for (int i = 0; i < qman::kNumCps; ++i) unit.queue->cp(i).ResetStatistics();
  }
  fabric_->ResetStatistics();
}

}  // namespace openhpu::simulator
