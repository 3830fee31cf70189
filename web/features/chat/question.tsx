import { t } from '../../lib/t.ts'

export function Question({ text }: { text: string }) {
  return (
    <div className="mb-5 flex justify-end">
      <div className="max-w-[85%] rounded-2xl rounded-br-md bg-accent-soft px-4 py-2.5">
        <h2 className="sr-only">{t('answer.questionLabel')}</h2>
        <p className="wrap-anywhere whitespace-pre-wrap">{text}</p>
      </div>
    </div>
  )
}
