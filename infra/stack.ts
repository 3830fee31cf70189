// The stack of one stage: everything, put together in the order in which it stands on each other.

import { alertTopics } from './alerts.ts'
import { balancing } from './balancing.ts'
import { Stack, type Template } from './cfn.ts'
import { dashboard } from './dashboard.ts'
import { database, databaseLogs } from './database.ts'
import { environments } from './environment.ts'
import { fleet } from './fleet.ts'
import { identities, migrationIdentity } from './identity.ts'
import type { StageImages } from './images.ts'
import { network } from './network.ts'
import { search } from './search.ts'
import type { Stage } from './stage-schema.ts'
import type { StageName } from './stages.ts'
import { documentBucket, logBucket } from './storage.ts'
import { rollAlarms } from './watch/tiers.ts'
import { watch } from './watch/watch.ts'

/**
 * The template of a stage. The same input gives the same bytes.
 * @param images what its servers start from; needed exactly when the stage's fleet is `serving`
 * @throws Error when servers are wanted and there are no images
 */
export function terrace(name: StageName, stage: Stage, images: StageImages | undefined): Template {
  const stack = new Stack(`Terrace, stage ${name}`)
  const alerts = alertTopics(stack, stage)
  const logs = logBucket(stack, stage)
  const documents = documentBucket(stack, stage, logs)
  const net = network(stack, stage, logs)
  const db = database(stack, stage, net, alerts.topic)
  const found = search(stack, name, stage, net)
  const balanced = balancing(stack, stage, net, logs)
  const told = environments(stack, name, stage, db, documents, balanced, found)
  const profiles = identities(stack, stage, told, db, documents, found)
  const serve = () => {
    const rolls = {
      api: rollAlarms(stack, 'api', balanced.api, alerts),
      web: rollAlarms(stack, 'web', balanced.web, alerts),
    }
    const groups = fleet(stack, name, stage, {
      network: net,
      balancing: balanced,
      environments: told,
      profiles,
      rolls,
      images: imagesOr(name, images),
    })
    return { groups, rolls }
  }
  const servers = stage.fleet === 'serving' ? serve() : undefined
  const parts = { network: net, balancing: balanced, database: db, search: found }
  const watched = watch(stack, name, stage, { ...parts, servers, alerts })
  dashboard(stack, name, stage, { ...parts, groups: servers?.groups, watched })
  stack.output('Zones', 'Where it stands', stage.zones.join(', '))
  stack.output('PublicUrl', 'Where people find it', balanced.publicUrl)
  stack.output('ExternalBalancer', 'What the domain has to point at', balanced.web.balancer.att('DNSName'))
  stack.output('DocumentsBucket', 'Originals and index snapshots', documents.ref)
  stack.output('DatabaseHost', 'The primary', db.primary.att('Endpoint.Address'))
  if (found) stack.output('SearchHost', 'The search domain', found.domain.att('DomainEndpoint'))
  stack.output('DatabaseOwnerSecret', 'For migrations', db.ownerSecret.ref)
  stack.output('DatabaseLogs', 'Its log group, made by RDS without an end', databaseLogs(db))
  stack.output('Pages', 'What has to wake a person is subscribed to this topic', alerts.pages.ref)
  stack.output('ApiSecurityGroup', 'For what has to reach the database', net.groups.api.att('GroupId'))
  if (stage.migrations === 'release')
    stack.output('MigrationProfile', 'Who that is to AWS', migrationIdentity(stack, stage, told.api, db).ref)
  stack.output('AppSubnet', 'Where such a thing stands', net.subnets.app[0].ref)
  return stack.template()
}

function imagesOr(name: StageName, images: StageImages | undefined): StageImages {
  if (images === undefined) throw new Error(`stage ${name} has servers, and no images for them`)
  return images
}
